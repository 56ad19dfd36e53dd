// A party to the tests that cross languages:
//   peer write STORE KEY FORMAT SIZE     puts the payload of that format and size
//   peer read STORE KEY FORMAT SIZE      exit status 0 if it is there, as expected
//   peer call CONFIG.json INPUT_KEY      calls a calculator with that view of its store; the
//   result's
//                                        bytes go to standard output
#include <zcx.hpp>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

namespace
{

[[noreturn]] void stop(const std::string &why)
{
    throw std::runtime_error(why);
}

std::vector<std::byte> raw(std::size_t size)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; i++)
        out[i] = static_cast<std::byte>((i * 7 + 3) & 255);
    return out;
}

std::string json(std::size_t size)
{
    return R"({"n": )" + std::to_string(size) + R"(, "s": ")" + std::string(size, 'x') + R"("})";
}

std::vector<double> halves(std::size_t size)
{
    std::vector<double> out(size / 8);
    for (std::size_t i = 0; i < out.size(); i++)
        out[i] = static_cast<double>(i) * 0.5;
    return out;
}

std::vector<std::int32_t> triples(std::size_t size)
{
    std::vector<std::int32_t> out(size / 4);
    for (std::size_t i = 0; i < out.size(); i++)
        out[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(i * 3 - 7));
    return out;
}

void write(zcx::store &store, const std::string &key, const std::string &format, std::size_t size)
{
    if (format == "raw") {
        store.put(key, raw(size));
    } else if (format == "json") {
        store.put(key, json(size), {.format = ZCX_JSON});
    } else if (format == "msgpack") {
        std::vector<double> a = halves(size);
        store.put(key, zcx::map{{"n", size}, {"a", zcx::array::of(a)}});
    } else if (format == "numpy") {
        std::vector<std::int32_t> elements = triples(size);
        store.put(key, zcx::array::of(elements));
    } else {
        stop("no format '" + format + "'");
    }
}

void expect(bool right, const char *what)
{
    if (!right) stop(std::string(what) + " is not as expected");
}

void expect_array(const zcx::array &array, std::size_t count)
{
    expect(array.shape == std::vector<std::uint64_t>{count}, "the array's shape");
    expect(reinterpret_cast<std::uintptr_t>(array.data.data()) % ZCX_ALIGNMENT == 0 ||
               array.data.empty(),
           "the elements' alignment");
}

// Text with spaces or without, as JSON writers differ.
std::string without_spaces(std::string_view text)
{
    std::string out;
    std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return c != ' '; });
    return out;
}

void read(zcx::store &store, const std::string &key, const std::string &format, std::size_t size)
{
    zcx::view view = store.view(key);
    expect(zcx_format_name(view.envelope().format) == format, "the format");
    if (format == "raw") {
        expect(std::ranges::equal(view.bytes(), raw(size)), "a byte");
    } else if (format == "json") {
        expect(without_spaces(view.text()) == without_spaces(json(size)), "the text");
    } else if (format == "msgpack") {
        zcx::value object = view.unpack();
        expect(object.map().size() == 2, "the map's size");
        expect(object["n"].integer() == static_cast<std::int64_t>(size), "'n'");
        expect_array(object["a"].array(), size / 8);
        expect(std::ranges::equal(object["a"].array().as<double>(), halves(size)), "'a'");
    } else if (format == "numpy") {
        expect_array(view.array(), size / 4);
        expect(std::ranges::equal(view.array().as<std::int32_t>(), triples(size)), "an element");
    } else {
        stop("no format '" + format + "'");
    }
}

void call(const std::string &file, const std::string &key)
{
    std::ifstream in(file);
    std::string config{std::istreambuf_iterator<char>(in), {}};
    if (!in) stop("cannot read " + file);
    zcx::calculator calculator(config);
    zcx::view view = calculator.view(key);
    zcx::result result = calculator.calculate(view);
    std::cout << result.text() << std::flush;
}

void run(const std::vector<std::string> &arguments)
{
    if (arguments.size() == 3 && arguments[0] == "call") return call(arguments[1], arguments[2]);
    if (arguments.size() != 5 || (arguments[0] != "write" && arguments[0] != "read"))
        stop("usage: peer write|read STORE KEY FORMAT SIZE, or peer call CONFIG.json INPUT_KEY");
    zcx::store store(arguments[1]);
    (arguments[0] == "write" ? write : read)(store, arguments[2], arguments[3],
                                             std::stoull(arguments[4]));
}

} // namespace

int main(int count, char **arguments)
{
    try {
        run({arguments + 1, arguments + count});
        return 0;
    } catch (const std::exception &failed) {
        std::cerr << "peer (C++): " << failed.what() << '\n';
        return 1;
    }
}
