// Scans.
#include "fixture.hpp"

static std::string keys(zcx::scan scan)
{
    std::string out;
    for (const zcx::entry &entry : scan)
        out += entry.key + " ";
    return out;
}

TEST_CASE("keys come in order, within bounds")
{
    place at;
    for (const char *key : {"b1", "a2", "a1", "c", "a3"})
        at.store.put(key, key);
    CHECK(keys(at.store.scan()) == "a1 a2 a3 b1 c ");
    CHECK(keys(at.store.scan({.prefix = "a"})) == "a1 a2 a3 ");
    CHECK(keys(at.store.scan({.from = "a2", .to = "c"})) == "a2 a3 b1 ");
    CHECK(keys(at.store.scan({.limit = 2, .reverse = true})) == "c b1 ");
    CHECK(keys(at.store.scan({.prefix = "a", .reverse = true, .snapshot = true})) == "a3 a2 a1 ");
    CHECK(keys(at.store.scan({.prefix = "z"})).empty());
}

TEST_CASE("entries have envelopes, expired ones when asked for")
{
    place at;
    at.store.put("one", "1", {.format = ZCX_JSON, .source = "me"});
    at.store.put("two", "22", {.ttl = zcx::milliseconds(1)});
    while (at.store.exists("two"))
        ;
    zcx::scan scan = at.store.scan();
    auto entry = scan.next();
    REQUIRE(entry);
    CHECK(entry->key == "one");
    CHECK(entry->envelope.format == ZCX_JSON);
    CHECK(entry->envelope.length == 1);
    CHECK(entry->envelope.source == "me");
    CHECK(!scan.next());
    CHECK(keys(at.store.scan({.expired = true})) == "one two ");
}

TEST_CASE("a scan goes on past its steps, and closes once")
{
    place at;
    zcx::batch batch = at.store.batch();
    for (int i = 0; i < 3'000; i++)
        batch.put(std::to_string(10'000 + i), "x");
    batch.commit();
    zcx::scan scan = at.store.scan();
    CHECK(std::ranges::distance(scan) == 3'000);
    FAILS(ZCX_EBUSY, (at.store.close(), 0), "alive");
    scan.close();
    scan.close();
    FAILS(ZCX_ECLOSED, scan.next(), "the scan is closed");
}
