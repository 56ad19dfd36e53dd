// Stores, views and envelopes.
#include "fixture.hpp"

using namespace std::chrono_literals;

// Does it hand out its bytes? A temporary must not: they would dangle.
template <typename T>
concept hands_out = requires(T &&held)
{
    std::forward<T>(held).bytes();
};
static_assert(!hands_out<zcx::view> && !hands_out<zcx::result> && hands_out<zcx::view &>);
static_assert(!std::is_copy_constructible_v<zcx::store> &&
              !std::is_copy_constructible_v<zcx::view>);
static_assert(std::is_nothrow_move_constructible_v<zcx::store> &&
              std::is_nothrow_move_assignable_v<zcx::view>);

static std::vector<std::byte> pattern(std::size_t size)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; i++)
        out[i] = static_cast<std::byte>(i * 7 + 3);
    return out;
}

TEST_CASE("what is put is viewed, whatever its size")
{
    directory in;
    zcx::store store(in.path, {.budget = std::uint64_t(256) << 20});
    for (std::size_t size : {0, 1, 1'000, 1'000'000, 100'000'000}) {
        CAPTURE(size);
        std::vector<std::byte> data = pattern(size);
        std::uint64_t transaction = store.put("key", data);
        zcx::view view = store.view("key");
        CHECK(std::ranges::equal(view.bytes(), data));
        CHECK(reinterpret_cast<std::uintptr_t>(view.bytes().data()) % ZCX_ALIGNMENT == 0);
        CHECK(view.envelope().length == size);
        CHECK(view.envelope().transaction == transaction);
        CHECK(view.envelope().in_slot == (size > 2'000));
        CHECK(view.key() == "key");
    }
}

TEST_CASE("a view outlasts what happens to its key, and is read where it lies")
{
    place at;
    at.store.put("key", std::string(5'000, 'a'));
    zcx::view one = at.store.view("key"), two = at.store.view("key");
    CHECK(one.bytes().data() == two.bytes().data());
    at.store.put("key", std::string(5'000, 'b'));
    CHECK(one.text() == std::string(5'000, 'a'));
    CHECK(at.store.erase("key"));
    CHECK(!at.store.erase("key"));
    CHECK(two.text() == std::string(5'000, 'a'));
    FAILS(ZCX_ENOTFOUND, at.store.view("key"), "\"key\"", at.in.path);
    CHECK(!at.store.find("key"));
    CHECK(!at.store.exists("key"));
    CHECK(at.store.count() == 0);
}

TEST_CASE("an envelope says what it was told")
{
    place at;
    auto before = std::chrono::system_clock::now();
    at.store.put("key", "{}",
                 {.format = ZCX_JSON,
                  .flags = ZCX_FLAG_CHECKSUM,
                  .ttl = 60s,
                  .source = "engine",
                  .target = "Zürich",
                  .content_type = ""});
    zcx::view view = at.store.view("key");
    zcx::envelope said = view.envelope();
    CHECK(said.format == ZCX_JSON);
    CHECK(said.source == "engine");
    CHECK(said.target == "Zürich");
    CHECK(said.content_type == "");
    CHECK(said.created >= before);
    CHECK(said.expires.value() - said.created == 60s);
    CHECK(!said.failed());
    view.verify();

    at.store.put("for ever", "x", {.ttl = zcx::never});
    zcx::view other = at.store.view("for ever");
    CHECK(!other.envelope().expires);
    CHECK(!other.envelope().source);
    FAILS(ZCX_ENOTFOUND, other.verify(), "checksum");
    at.store.put("as usual", "x");
    said = at.store.view("as usual").envelope();
    CHECK(said.expires.value() - said.created == 5min);
}

TEST_CASE("what expired is not there")
{
    place at;
    at.store.put("key", "x", {.ttl = 1ms});
    while (at.store.exists("key"))
        ;
    FAILS(ZCX_EEXPIRED, at.store.view("key"), "expired");
    CHECK(!at.store.find("key"));
    CHECK(at.store.count() == 1);
    CHECK(at.store.sweep().find("1") != std::string::npos);
    CHECK(at.store.count() == 0);
}

TEST_CASE("arrays go with their description and lie where they are read")
{
    place at;
    std::vector<double> numbers(1000, 1.5);
    at.store.put("array", zcx::array::of(numbers, {10, 100}, 'F'));
    zcx::view view = at.store.view("array");
    zcx::array read = view.array();
    CHECK(read.dtype == "<f8");
    CHECK(read.shape == std::vector<std::uint64_t>{10, 100});
    CHECK(read.order == 'F');
    CHECK(read.data.data() == view.bytes().data());
    CHECK(std::ranges::equal(read.as<double>(), numbers));
    CHECK(view.as<double>().size() == 1000);
    at.store.put("text", "text");
    zcx::view text = at.store.view("text");
    FAILS(ZCX_EINVAL, text.array(), "raw", "not an array");
    zcx::array wrong = zcx::array::of(numbers, {7});
    FAILS(ZCX_EINVAL, at.store.put("array", wrong), "8000 bytes", "7 elements", "<f8");
}

TEST_CASE("error records say why")
{
    place at;
    at.store.put_error("key", "no data for 2013", "line 7\nline 9");
    zcx::view view = at.store.view("key");
    CHECK(view.envelope().failed());
    zcx::value said = view.unpack();
    CHECK(said["message"].text() == "no data for 2013");
    CHECK(said["trace"].text() == "line 7\nline 9");
}

TEST_CASE("bad input is refused by name")
{
    place at;
    FAILS(ZCX_EINVAL, at.store.put("", "x"), "key");
    FAILS(ZCX_EINVAL, at.store.put(std::string(512, 'k'), "x"), "512", "511");
    FAILS(ZCX_EINVAL, at.store.put("key", "x", {.format = 77}), "77");
    FAILS(ZCX_EINVAL, zcx::store(at.in.path, {.database = "zcx.mine"}), "zcx.mine");
    FAILS(ZCX_EBUSY, zcx::store(at.in.path, {.budget = budget * 2}), "budget");
    FAILS(ZCX_ENOTFOUND, zcx::store(at.in.path + "/none", {.create = false}), "/none");
    FAILS(ZCX_ESYSTEM, zcx::store("/proc/none/none"), "/proc/none");
    std::string with_nul("a\0b", 3);
    at.store.put(with_nul, "x");
    CHECK(at.store.view(with_nul).envelope().length == 1);
}

TEST_CASE("a store closes once, when nothing of it lives")
{
    place at;
    at.store.put("key", "x");
    zcx::view view = at.store.view("key");
    FAILS(ZCX_EBUSY, at.store.close(), "alive");
    CHECK(view.text() == "x");
    view.release();
    view.release();
    CHECK(!view);
    FAILS(ZCX_ECLOSED, view.bytes(), "the view is closed");
    FAILS(ZCX_ECLOSED, view.envelope(), "view");
    at.store.close();
    at.store.close();
    CHECK(!at.store);
    FAILS(ZCX_ECLOSED, at.store.put("key", "x"), "the store is closed");
    FAILS(ZCX_ECLOSED, at.store.loan(1), "store");
    FAILS(ZCX_ECLOSED, at.store.view("key"), "store");
    FAILS(ZCX_ECLOSED, at.store.path(), "store");

    zcx::store again(at.in.path);
    CHECK(again.path() == at.in.path);
    CHECK(again.database() == "default");
    zcx::store moved = std::move(again);
    CHECK(moved.view("key").envelope().length == 1);
    FAILS(ZCX_ECLOSED, again.count(), "moved from");
}

TEST_CASE("a view that outlives its store's object dangles nothing")
{
    directory in;
    zcx::view view;
    {
        zcx::store store(in.path, {.budget = budget});
        store.put("key", std::string(5'000, 'a'));
        view = store.view("key");
    }
    CHECK(view.text() == std::string(5'000, 'a'));
    zcx_store *left = zcx_view_store(view.handle()); // open, for lack of an owner
    view.release();
    CHECK(zcx_store_close(left, nullptr) == ZCX_OK);
}

TEST_CASE("reports are JSON")
{
    place at;
    at.store.put("key", "x");
    for (const std::string &report : {at.store.stat(), at.store.check(), at.store.sweep(true)}) {
        CHECK(report.front() == '{');
        CHECK(report.back() == '}');
    }
}

TEST_CASE("statuses have the numbers and names of the table")
{
#define SAME(number, name, message)                                                                \
    CHECK(ZCX_##name == number);                                                                   \
    CHECK(zcx_status_name(ZCX_##name) == std::string("ZCX_" #name));
    ZCX_STATUS_TABLE(SAME)
    zcx::error thrown(ZCX_EFULL, 28, "no room for 7 bytes");
    CHECK(thrown.status() == ZCX_EFULL);
    CHECK(thrown.cause() == 28);
    CHECK(thrown.what() == std::string("no room for 7 bytes"));
}
