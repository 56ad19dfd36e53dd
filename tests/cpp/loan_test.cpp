// Loans and batches: built in place, published once, or not at all.
#include "fixture.hpp"

#include <numeric>
#include <thread>

TEST_CASE("a loan is what is published, in place")
{
    place at;
    zcx::loan loan = at.store.loan(8'000);
    CHECK(loan.bytes().size() == 8'000);
    CHECK(loan.capacity() >= 8'000);
    CHECK(reinterpret_cast<std::uintptr_t>(loan.bytes().data()) % ZCX_ALIGNMENT == 0);
    std::span<double> numbers = loan.as<double>();
    REQUIRE(numbers.size() == 1'000);
    std::iota(numbers.begin(), numbers.end(), 0.0);
    std::uint64_t transaction = loan.publish_array<double>("key", {10, 100});
    CHECK(!loan);
    FAILS(ZCX_ECLOSED, loan.bytes(), "the loan is closed");
    FAILS(ZCX_ECLOSED, loan.publish("key"), "loan");

    zcx::view view = at.store.view("key");
    CHECK(view.envelope().transaction == transaction);
    CHECK(view.array().shape == std::vector<std::uint64_t>{10, 100});
    CHECK(view.array().as<double>()[999] == 999);
}

TEST_CASE("a loan may be longer than its payload, and be given up")
{
    place at;
    zcx::loan loan = at.store.loan(10'000);
    struct three {
        char bytes[3];
    };
    FAILS(ZCX_EINVAL, loan.as<three>(), "10000 bytes", "3 bytes");
    FAILS(ZCX_EINVAL, loan.publish("key", 1 << 20), "1048576");
    FAILS(ZCX_EINVAL, loan.publish(""), "key");
    REQUIRE(loan); // still ours
    loan.bytes()[0] = std::byte('a');
    loan.publish("key", 1);
    CHECK(at.store.view("key").envelope().length == 1);

    zcx::loan other = at.store.loan(10'000);
    other.discard();
    other.discard();
    CHECK(!other);
    zcx::loan empty = at.store.loan(0);
    CHECK(empty.bytes().empty());
    empty.publish("empty");
    CHECK(at.store.view("empty").envelope().length == 0);
}

TEST_CASE("publish_view holds what was published, whoever writes next")
{
    place at;
    zcx::loan loan = at.store.loan(5'000);
    std::ranges::fill(loan.bytes(), std::byte('a'));
    zcx::view view = loan.publish_view("key", 5'000, {.format = ZCX_JSON});
    at.store.put("key", "other");
    CHECK(view.text() == std::string(5'000, 'a'));
    CHECK(view.envelope().format == ZCX_JSON);
}

TEST_CASE("a full store names who holds it, and a loan too large its limit")
{
    place at;
    std::vector<zcx::loan> held;
    auto take = [&] {
        for (;;)
            held.push_back(at.store.loan(8 << 20));
    };
    FAILS(ZCX_EFULL, (take(), 0), std::to_string(getpid()));
    CHECK(!held.empty());
    held.clear();
    CHECK(at.store.loan(8 << 20));
    FAILS(ZCX_ELIMIT, at.store.loan(ZCX_PAYLOAD_MAX + 1), "4294901761");
}

TEST_CASE("threads fill loans at once")
{
    place at;
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; thread++)
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 200; i++) {
                zcx::loan loan = at.store.loan(4'000);
                std::ranges::fill(loan.as<int>(), thread * 1'000 + i);
                zcx::view view = loan.publish_view("key " + std::to_string(thread), 4'000);
                if (std::ranges::count(view.as<int>(), thread * 1'000 + i) != 1'000) abort();
            }
        });
    threads.clear();
    CHECK(at.store.count() == 4);
}

TEST_CASE("a batch is seen at its commit, all of it")
{
    place at;
    at.store.put("old", "x");
    std::vector<float> numbers{1, 2, 3};
    zcx::batch batch = at.store.batch();
    batch.put("text", "hello", {.format = ZCX_JSON});
    batch.put("array", zcx::array::of(numbers));
    batch.put("bytes", std::as_bytes(std::span(numbers)));
    batch.put("object", zcx::map{{"numbers", zcx::array::of(numbers)}}, {.source = "me"});
    zcx::loan loan = at.store.loan(5'000);
    std::ranges::fill(loan.bytes(), std::byte(7));
    batch.publish(std::move(loan), "loan");
    CHECK(!loan);
    batch.erase("old");
    batch.erase("nothing");
    CHECK(at.store.count() == 1);
    CHECK(batch.commit() > 0);
    CHECK(!batch);
    CHECK(at.store.count() == 5);
    CHECK(!at.store.exists("old"));
    zcx::view view = at.store.view("array");
    CHECK(view.array().as<float>()[2] == 3);
    CHECK(at.store.view("loan").envelope().length == 5'000);
    zcx::view object = at.store.view("object");
    CHECK(object.envelope().source == "me");
    zcx::value read = object.unpack();
    CHECK(read["numbers"].array().as<float>()[1] == 2);
    FAILS(ZCX_ECLOSED, batch.commit(), "the batch is closed");
}

TEST_CASE("a batch that is not committed does nothing, and a refused loan stays")
{
    place at;
    zcx::batch batch = at.store.batch();
    batch.put("key", "x");
    zcx::loan loan = at.store.loan(5'000);
    FAILS(ZCX_EINVAL, (batch.publish(std::move(loan), ""), 0), "key");
    CHECK(loan); // NOLINT: only what succeeds takes it
    FAILS(ZCX_EINVAL, (batch.put("", "x"), 0), "key");
    batch.discard();
    batch.discard();
    FAILS(ZCX_ECLOSED, (batch.put("key", "x"), 0), "batch");
    CHECK(at.store.count() == 0);
}
