class Scale:
    def __init__(self, options):
        self.factor = options.get("factor", 2)

    def calculate(self, data):
        return self.factor * data
