// actor ROLE STORE LEDGER PLACE SEED: an actor in C++, of the roles produce and view. See actor.h, whose
// rules it follows; the ledger is written by pwrite, as by all other languages than C.
#include <zcx.hpp>

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15, own_keys = 1000, loose = 100;
constexpr int shared = 16, own = 8, page = 4096, budget = 16 << 20;

// Words of a place's page, as ledger.h has them.
enum word { rests, steps, published, viewed, full, pins, loans, intent = 16, done = intent + own,
            told = done + own, complaint = 64 };

class ledger
{
  public:
    ledger(const char *path, std::uint64_t place)
        : file_(open(path, O_RDWR | O_CLOEXEC)), at_(static_cast<off_t>((place + 1) * page))
    {
    }
    std::uint64_t read(int word) const { return read_at(at_ + word * 8); }
    std::uint64_t pause() const { return read_at(0); }
    void write(int word, std::uint64_t value) const
    {
        if (pwrite(file_, &value, sizeof value, at_ + word * 8) != sizeof value) std::abort();
    }
    void add(int word) const { write(word, read(word) + 1); }
    [[noreturn]] void complain(const std::string &what) const
    {
        (void)!pwrite(file_, what.c_str(), what.size() + 1, at_ + complaint * 8);
        _exit(1);
    }

  private:
    std::uint64_t read_at(off_t at) const
    {
        std::uint64_t value = 0;
        if (pread(file_, &value, sizeof value, at) != sizeof value) std::abort();
        return value;
    }
    int file_;
    off_t at_;
};

class actor
{
  public:
    actor(char **words)
        : place_(std::stoull(words[4])), seed_(std::stoull(words[5])), ledger_(words[3], place_),
          random_(seed_), store_(words[2], {.budget = budget, .lock_timeout = std::chrono::seconds(60)})
    {
    }

    [[noreturn]] void produce()
    {
        settle_own();
        for (;; ledger_.add(steps)) {
            rest_if_asked({});
            if (below(3) == 0) {
                change_own();
                continue;
            }
            std::uint64_t key = below(shared), transaction;
            if (publish(key, sequence(), transaction))
                ledger_.write(told + static_cast<int>(key), transaction);
        }
    }

    [[noreturn]] void view()
    {
        std::vector<zcx::view> held;
        for (;; ledger_.add(steps)) {
            rest_if_asked(held);
            std::uint64_t key = below(2) ? below(shared) : loose + below(8);
            zcx::view found = store_.find(std::to_string(key));
            if (!found) continue;
            check(found, "in a new view");
            ledger_.add(viewed);
            held.push_back(std::move(found));
            if (held.size() <= 5) continue;
            auto one = held.begin() + static_cast<std::ptrdiff_t>(below(held.size()));
            check(*one, "held");
            held.erase(one);
        }
    }

  private:
    std::uint64_t below(std::uint64_t most) { return random_() % most; }
    std::uint64_t sequence() { return seed_ << 24 | ++count_; }
    std::uint64_t length()
    {
        if (below(4) == 0) return 24 + below(110) * 8;
        std::uint64_t size = 2304;
        while (size < 300000 && below(8))
            size += size / 2;
        return size / 8 * 8;
    }

    void rest_if_asked(std::span<const zcx::view> held)
    {
        const std::uint64_t pause = ledger_.pause();
        if (!pause) return;
        std::uint64_t in_slots = 0;
        for (const zcx::view &one : held) {
            check(one, "held");
            in_slots += one.bytes().size() > 1024;
        }
        ledger_.write(pins, in_slots);
        ledger_.write(loans, 0);
        ledger_.write(rests, pause);
        while (ledger_.pause() == pause)
            usleep(300);
        for (const zcx::view &one : held)
            check(one, "held over a pause");
        ledger_.write(rests, 0);
    }

    // The sequence of a payload that is whole.
    std::uint64_t check(const zcx::view &view, const char *when) const
    {
        std::span<const std::uint64_t> words{
            reinterpret_cast<const std::uint64_t *>(view.bytes().data()), view.bytes().size() / 8};
        const std::uint64_t key = std::stoull(std::string(view.key()));
        bool whole = words.size() >= 3 && words[0] == key && words[2] == words.size() * 8;
        for (std::size_t i = 3; whole && i < words.size(); i++)
            whole = words[i] == words[1] * golden + key * 31 + (i - 3);
        if (!whole)
            ledger_.complain("a payload at key " + std::to_string(key) + " is not whole, " + when +
                             ", in C++");
        return words[1];
    }

    bool publish(std::uint64_t key, std::uint64_t sequence, std::uint64_t &transaction)
    {
        try {
            zcx::loan loan = store_.loan(length());
            std::span<std::uint64_t> words = loan.as<std::uint64_t>();
            words[0] = key;
            words[1] = sequence;
            words[2] = words.size() * 8;
            for (std::size_t i = 3; i < words.size(); i++)
                words[i] = sequence * golden + key * 31 + (i - 3);
            transaction = loan.publish(std::to_string(key), {.ttl = zcx::never});
            ledger_.add(published);
            return true;
        } catch (const zcx::error &failed) {
            if (failed.status() != ZCX_EFULL) throw;
            ledger_.add(full);
            return false;
        }
    }

    std::uint64_t own_key(int i) const { return own_keys + place_ * own + static_cast<std::uint64_t>(i); }

    void settle_own()
    {
        for (int i = 0; i < own; i++) {
            zcx::view view = store_.find(std::to_string(own_key(i)));
            const std::uint64_t found = view ? check(view, "after a kill") : 0;
            if (found != ledger_.read(intent + i) && found != ledger_.read(done + i))
                ledger_.complain("own key " + std::to_string(own_key(i)) +
                                 " has another sequence after a kill, in C++");
            ledger_.write(done + i, found);
            ledger_.write(intent + i, found);
        }
    }

    void change_own()
    {
        const int i = static_cast<int>(below(own));
        std::uint64_t next = below(3) ? sequence() : 0, transaction;
        ledger_.write(intent + i, next);
        bool happened = next ? publish(own_key(i), next, transaction) : erase(own_key(i));
        ledger_.write(happened ? done + i : intent + i, ledger_.read(happened ? intent + i : done + i));
    }

    bool erase(std::uint64_t key)
    {
        try {
            store_.erase(std::to_string(key));
            return true;
        } catch (const zcx::error &failed) {
            if (failed.status() != ZCX_EFULL) throw;
            return false;
        }
    }

    std::uint64_t place_, seed_, count_ = 0;
    ledger ledger_;
    std::mt19937_64 random_;
    zcx::store store_;
};

} // namespace

int main(int count, char **words)
{
    if (count != 6) return 2;
    const ledger book(words[3], std::stoull(words[4]));
    try {
        actor player(words);
        std::string(words[1]) == "view" ? player.view() : player.produce();
    } catch (const std::exception &failed) {
        book.complain(std::string("in C++: ") + failed.what());
    }
}
