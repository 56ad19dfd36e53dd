// Waiting for keys, and calls that a worker in another thread or process answers.
#include "calculator_fixture.hpp"

#include <csignal>
#include <thread>

using namespace std::chrono_literals;

TEST_CASE("a wait ends with what came")
{
    place at;
    FAILS(ZCX_ETIMEDOUT, at.store.wait("key", 0ms), "key");
    {
        std::jthread writer([&] { at.store.put("key", "one"); });
        zcx::view view = at.store.wait("key");
        CHECK(view.text() == "one");
    }
    std::uint64_t first = at.store.view("key").envelope().transaction;
    FAILS(ZCX_ETIMEDOUT, at.store.wait("key", 0ms, first), "key");
    {
        std::jthread writer([&] { at.store.put("key", "two"); });
        zcx::view view = at.store.wait("key", zcx::forever, first);
        CHECK(view.text() == "two");
    }
    {
        std::uint64_t last = at.store.view("key").envelope().transaction;
        std::jthread writer([&] { at.store.erase("key"); });
        FAILS(ZCX_EDELETED, at.store.wait("key", zcx::forever, last), "key");
    }
    at.store.put_error("key", "no data for 2013");
    FAILS(ZCX_EFAILED, at.store.wait("key"), "no data for 2013");
}

static std::string queue(const place &at)
{
    return R"({"name": "far", "calculator": "cpp", "queue": "q", "lmdb_enabled": true,
        "lmdb_db_path": ")" +
           at.in.path + "\"}";
}

TEST_CASE("a worker answers, fails, and stops")
{
    place at;
    zcx::worker worker(queue(at));
    zcx::calculator far(queue(at));
    FAILS(ZCX_ETIMEDOUT, worker.take(0ms), "'q'");
    std::jthread thread([&] {
        while (zcx::call call = worker.take()) {
            zcx::payload input = call.read();
            zcx::value object = input.unpack();
            if (object.find("fail"))
                call.fail("told to", "line 7");
            else
                call.answer(object["x"].array());
        }
    });
    std::vector<double> in(1'000, 0.5);
    zcx::result large = far.calculate(zcx::map{{"x", zcx::array::of(in)}});
    CHECK(std::ranges::equal(large.array().as<double>(), in));
    zcx::result small = far.calculate(zcx::map{{"x", zcx::array::of(std::span(in).first(2))}});
    CHECK(small.array().count() == 2);
    FAILS(ZCX_EFAILED, far.calculate(zcx::map{{"fail", true}}), "'far'", "told to");

    zcx::call call = far.send(zcx::map{{"x", zcx::array::of(in)}});
    CHECK(call.wait());
    zcx::result later(std::move(call));
    CHECK(later.array().count() == 1'000);
    worker.stop();
    thread.join();
    CHECK(!worker.take());
    worker.close();
    worker.close();
    FAILS(ZCX_ECLOSED, worker.take(), "the worker is closed");
    FAILS(ZCX_EINVAL, zcx::worker(R"({"name": "far"})"), "queue");
}

TEST_CASE("a plug-in runs in a worker, and what it throws is the caller's error")
{
    place at;
    zcx::worker worker(queue(at));
    zcx::calculator far(queue(at)), plugin = clip(nullptr), throws = odd(nullptr, "throw");
    std::vector<double> in{-1, 1, 100};
    zcx::call good = far.send(zcx::array::of(in)), bad = far.send(zcx::array::of(in));
    CHECK(!good.wait(0ms));
    for (zcx::calculator *with : {&plugin, &throws}) {
        zcx::call taken = worker.take();
        try {
            with->run(taken);
        } catch (const zcx::error &failed) {
            CHECK(failed.status() == ZCX_EFAILED);
        }
    }
    CHECK(good.wait());
    zcx::result result(std::move(good));
    CHECK(result.array().as<double>()[2] == 5);
    FAILS(ZCX_EFAILED, bad.wait(), "'far'", "no data for 2013, 100% sure");
}

TEST_CASE("a call may be cancelled, or dropped by its worker")
{
    place at;
    zcx::worker worker(queue(at));
    zcx::calculator far(queue(at));
    zcx::call call = far.send(zcx::map{});
    call.cancel();
    FAILS(ZCX_ECANCELLED, call.wait(), "far");
    FAILS(ZCX_ETIMEDOUT, worker.take(0ms), "'q'");
    zcx::call dropped = far.send(zcx::map{});
    worker.take().close();
    FAILS(ZCX_EFAILED, dropped.wait(), "far");
}

TEST_CASE("a worker of another process is killed, and the next one answers")
{
    place at;
    int ready[2];
    REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    std::string json = queue(at);
    pid_t child = fork();
    if (child == 0) {
        zcx::worker worker(json);
        zcx::call call = worker.take();
        if (write(ready[1], "x", 1) == 1) pause();
        _exit(1);
    }
    zcx::calculator far(json);
    std::vector<double> in(1'000, 0.5);
    zcx::call call = far.send(zcx::map{{"x", zcx::array::of(in)}});
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    zcx::worker worker(json);
    zcx::call again = worker.take();
    {
        zcx::payload input = again.read();
        zcx::value object = input.unpack();
        again.answer(object["x"].array());
    }
    CHECK(call.wait());
    close(ready[0]);
    close(ready[1]);
}
