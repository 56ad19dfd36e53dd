// Objects: written into their place, read where they lie.
#include "fixture.hpp"

using zcx::list;
using zcx::map;
using zcx::value;

TEST_CASE("objects come back as they were")
{
    place at;
    std::vector<double> weights{0.5, 1.5, 2.5};
    std::vector<std::uint8_t> image(200, 7);
    std::string name = "Zürich";
    map object{{"window", 20},
               {"name", name},
               {"weights", zcx::array::of(weights)},
               {"image", zcx::array::of(image, {10, 20}, 'F')},
               {"flags", list{true, false, value()}},
               {"numbers", list{-1, 1.5, INT64_MIN, UINT64_MAX, 1.5f}},
               {"bytes", zcx::bytes(std::as_bytes(std::span(image).first(3)))},
               {7, "a key that is a number"},
               {"deep", map{{"deeper", map{{"list", list{}}}}}}};
    at.store.put("key", object, {.source = "me"});
    zcx::view view = at.store.view("key");
    CHECK(view.envelope().format == ZCX_MSGPACK);
    CHECK(view.envelope().source == "me");
    value read = view.unpack();
    CHECK(read["window"].integer() == 20);
    CHECK(read["window"].number() == 20.0);
    CHECK(read["name"].text() == "Zürich");
    CHECK(std::ranges::equal(read["weights"].array().as<double>(), weights));
    CHECK(read["image"].array().shape == std::vector<std::uint64_t>{10, 20});
    CHECK(read["image"].array().order == 'F');
    CHECK(read["flags"].list()[0].boolean());
    CHECK(read["flags"].list()[2].is_nil());
    const list &numbers = read["numbers"].list();
    CHECK(numbers[0].integer() == -1);
    CHECK(numbers[1].number() == 1.5);
    CHECK(numbers[2].integer() == INT64_MIN);
    CHECK(numbers[3].number() == 18446744073709551615.0);
    CHECK(std::get<std::uint64_t>(numbers[3].get()) == UINT64_MAX);
    CHECK(read["bytes"].binary().size() == 3);
    CHECK(read["deep"]["deeper"]["list"].list().empty());
    CHECK(read.map()[7].first.integer() == 7);
}

TEST_CASE("text, bytes and arrays are read in place")
{
    place at;
    std::vector<double> weights(1'000, 0.5);
    at.store.put("key", map{{"name", "x"}, {"weights", zcx::array::of(weights)}});
    zcx::view view = at.store.view("key");
    value read = view.unpack();
    auto inside = [&](const void *data) {
        auto *at_byte = static_cast<const std::byte *>(data);
        return at_byte >= view.bytes().data() &&
               at_byte < view.bytes().data() + view.bytes().size();
    };
    std::span<const double> elements = read["weights"].array().as<double>();
    CHECK(inside(elements.data()));
    CHECK(inside(read["name"].text().data()));
    CHECK(reinterpret_cast<std::uintptr_t>(elements.data()) % ZCX_ALIGNMENT == 0);
}

TEST_CASE("build writes arrays where they will be read")
{
    place at;
    int passes = 0;
    at.store.build("key",
                   [&](zcx::packer &to) {
                       to.map(3);
                       to.text("n");
                       to.unsigned_integer(100);
                       to.text("squares");
                       std::span<std::int64_t> squares = to.array<std::int64_t>({100});
                       for (std::size_t i = 0; i < squares.size(); i++)
                           squares[i] = static_cast<std::int64_t>(i * i);
                       CHECK(squares.size() == (to.counting() ? 0 : 100));
                       to.text("rest");
                       to.list(4);
                       to.nil();
                       to.boolean(true);
                       to.real(0.5);
                       to.binary({});
                       passes++;
                   },
                   {.target = "you"});
    CHECK(passes == 2);
    zcx::view view = at.store.view("key");
    CHECK(view.envelope().target == "you");
    value read = view.unpack();
    CHECK(read["squares"].array().as<std::int64_t>()[99] == 99 * 99);
    CHECK(read["rest"].list().size() == 4);
}

TEST_CASE("one array is an array, whether msgpack or numpy")
{
    place at;
    std::vector<float> numbers{1, 2, 3};
    at.store.put("msgpack", value(zcx::array::of(numbers)));
    at.store.put("numpy", zcx::array::of(numbers));
    for (const char *key : {"msgpack", "numpy"}) {
        zcx::view view = at.store.view(key);
        CHECK(view.array().as<float>()[2] == 3);
    }
    at.store.put("map", map{});
    zcx::view view = at.store.view("map");
    FAILS(ZCX_EINVAL, view.array(), "the value is a map, not an array");
}

TEST_CASE("what is not there, or something else, is named")
{
    value object = map{{"one", 1}, {"two", "2"}, {"one", 11}};
    CHECK(object["one"].integer() == 11); // the last one counts
    FAILS(ZCX_ENOTFOUND, object["three"], "no 'three'", "'one', 'two'");
    CHECK(!object.find("three"));
    FAILS(ZCX_EINVAL, object["two"].array(), "the value is text, not an array");
    FAILS(ZCX_EINVAL, object["two"].number(), "text", "a number");
    FAILS(ZCX_EINVAL, object["one"].list(), "an integer", "a list");
    value text("x");
    FAILS(ZCX_EINVAL, text["x"], "the value is text, not a map");
    value none = map{};
    FAILS(ZCX_ENOTFOUND, none["x"], "no text keys");
}

TEST_CASE("what cannot be written is refused, and nothing is left behind")
{
    place at;
    value deep = list{};
    for (int i = 0; i < ZCX_NESTING_MAX; i++) {
        list outer;
        outer.push_back(std::move(deep));
        deep = std::move(outer);
    }
    FAILS(ZCX_ELIMIT, at.store.put("key", deep), "512");
    FAILS(ZCX_EINVAL, at.store.put("key", value("\xff")), "UTF-8");
    value extension = zcx::extension{5, {}};
    FAILS(ZCX_EUNSUPPORTED, at.store.put("key", extension), "extension 5");
    auto short_list = [](zcx::packer &to) { to.list(2), to.nil(); };
    FAILS(ZCX_EINVAL, at.store.build("key", short_list), "lacks 1");
    auto long_list = [](zcx::packer &to) { to.nil(), to.nil(); };
    FAILS(ZCX_EINVAL, at.store.build("key", long_list), "more");
    auto huge = [](zcx::packer &to) { (void)to.array<double>({UINT64_MAX, 2}); };
    FAILS(ZCX_ELIMIT, at.store.build("key", huge), "64 bits");
    bool counted = false;
    auto grows = [&](zcx::packer &to) {
        to.text(std::string(counted ? 3'000 : 1, 'x')), counted = true;
    };
    FAILS(ZCX_ELIMIT, at.store.build("key", grows), "grow");
    auto throws = [](zcx::packer &to) { to.nil(), throw std::runtime_error("mine"); };
    CHECK_THROWS_WITH(at.store.build("key", throws), "mine");
    CHECK(at.store.count() == 0);
    at.store.close(); // no loan is left
}

TEST_CASE("damaged payloads are refused")
{
    for (const char *text : {"\x92\x01", "\xc1", "\x01\x01", "\xa5xy", ""}) {
        zcx::bytes bytes = std::as_bytes(std::span(std::string_view(text)));
        FAILS(ZCX_ECORRUPT, zcx::unpack(bytes), "");
    }
}
