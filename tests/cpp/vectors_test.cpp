// Replays protocol/vectors through the C++ headers: every case of index.json, and no file may be
// left over. Records are put into a store by LMDB itself, while nobody has the store open; payloads
// are put as what they are.
#include "fixture.hpp"
#include "written.hpp"

#include <lmdb.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace
{

const std::filesystem::path vectors = ZCX_SOURCE_DIR "/protocol/vectors";

struct test_case {
    std::string file, kind, status;
    const json_t *about;
    std::string content;

    zcx::bytes bytes() const { return std::as_bytes(std::span(content)); }
    const json_t *expect() const { return json_object_get(about, "expect"); }
};

std::string read_file(const std::filesystem::path &path)
{
    std::ifstream in(path, std::ios::binary);
    REQUIRE_MESSAGE(in, "cannot read " << path.string());
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<test_case> read_cases(const json_t *index)
{
    std::vector<test_case> out;
    std::size_t i;
    json_t *about;
    json_array_foreach(json_object_get(index, "cases"), i, about)
    {
        auto text = [&](const char *name) {
            return json_string_value(json_object_get(about, name));
        };
        out.push_back(
            {text("file"), text("kind"), text("status"), about, read_file(vectors / text("file"))});
    }
    return out;
}

// {"nested": [kind, depth, object]} written out.
json expand(const json_t *expect)
{
    const char *kind;
    int depth;
    json_t *object;
    if (json_unpack(const_cast<json_t *>(expect), "{s:[s,i,O]}", "nested", &kind, &depth, &object))
        return json(json_deep_copy(expect));
    for (; depth; depth--)
        object = std::string(kind) == "list"
                     ? json_pack("[o]", object)
                     : json_pack("{s:[[{s:s},o]]}", "map", "int", "1", object);
    return json(object);
}

void put_by_lmdb(const std::string &path, const std::vector<test_case> &cases)
{
    json said(json_loads(read_file(path + "/store.json").c_str(), 0, nullptr));
    MDB_env *environment;
    MDB_txn *writer;
    MDB_dbi records;
    REQUIRE(mdb_env_create(&environment) == 0);
    mdb_env_set_maxdbs(environment, 4);
    mdb_env_set_mapsize(environment, static_cast<std::size_t>(json_integer_value(
                                         json_object_get(said.get(), "map_size"))));
    REQUIRE(mdb_env_open(environment, path.c_str(), 0, 0600) == 0);
    REQUIRE(mdb_txn_begin(environment, nullptr, 0, &writer) == 0);
    REQUIRE(mdb_dbi_open(writer, "default", 0, &records) == 0);
    for (const test_case &one : cases) {
        if (one.kind != "record") continue;
        MDB_val key{one.file.size(), const_cast<char *>(one.file.data())};
        MDB_val value{one.content.size(), const_cast<char *>(one.content.data())};
        REQUIRE(mdb_put(writer, records, &key, &value, 0) == 0);
    }
    REQUIRE(mdb_txn_commit(writer) == 0);
    mdb_env_close(environment);
}

struct replayer {
    zcx::store &store;
    const test_case &of;

    json record() const
    {
        std::int64_t expires = json_integer_value(json_object_get(of.expect(), "expires"));
        std::int64_t created = json_integer_value(json_object_get(of.expect(), "created"));
        bool in_slot = json_is_true(json_object_get(of.expect(), "in_slot"));
        if (in_slot || (expires && expires < created + 10'000)) { // no payload: only a scan sees it
            FAILS(in_slot ? ZCX_ECORRUPT : ZCX_EEXPIRED, store.view(of.file));
            zcx::scan scan = store.scan({.prefix = of.file, .limit = 1, .expired = true});
            auto entry = scan.next();
            json out = written(entry->envelope);
            if (!in_slot) // which is all that a scan does not show
                json_object_set(out.get(), "payload", json_object_get(of.expect(), "payload"));
            return out;
        }
        zcx::view view = store.view(of.file);
        json out = written(view.envelope());
        json_object_set_new(out.get(), "payload", text_json(hex(view.bytes())).release());
        if (view.envelope().flags & ZCX_FLAG_CHECKSUM) view.verify();
        return out;
    }

    zcx::view put(const zcx::envelope &envelope) const
    {
        store.put(of.file, of.bytes(), envelope);
        return store.view(of.file);
    }

    json raw() const
    {
        zcx::view view = put({});
        return named("bin", text_json(hex(view.bytes())));
    }

    // Read, and put again as the object that it is.
    json msgpack() const
    {
        zcx::view view = put({.format = ZCX_MSGPACK});
        zcx::value object = view.unpack();
        json out = written(object);
        try {
            store.put("again", object);
        } catch (const zcx::error &thrown) { // an extension of others
            CHECK(thrown.status() == ZCX_EUNSUPPORTED);
            return out;
        }
        zcx::view again = store.view("again");
        json same = written(again.unpack());
        CHECK_MESSAGE(json_equal(out.get(), same.get()), of.file);
        return out;
    }

    json numpy() const
    {
        const json_t *said = json_object_get(of.about, "envelope");
        auto text = [&](const char *name) {
            return json_string_value(json_object_get(said, name));
        };
        zcx::array array{text("dtype"), {}, *text("order"), of.bytes()};
        std::size_t i;
        json_t *size;
        json_array_foreach(json_object_get(said, "shape"), i, size)
            array.shape.push_back(static_cast<std::uint64_t>(json_integer_value(size)));
        store.put(of.file, array);
        zcx::view view = store.view(of.file);
        return array_json(view.array());
    }

    // zcx does not look into JSON and Arrow payloads, in C++ neither: they come back as they went
    // in, and a JSON parser has to agree about what they are.
    json text() const
    {
        zcx::view view = put({.format = ZCX_JSON});
        json_error_t where;
        json value(json_loadb(view.text().data(), view.text().size(), JSON_DECODE_ANY, &where));
        if (!value) throw zcx::error(ZCX_ECORRUPT, 0, where.text);
        return written(value.get());
    }
    json arrow() const
    {
        static constexpr std::string_view end("\xff\xff\xff\xff\0\0\0\0", 8);
        zcx::view view = put({.format = ZCX_ARROW});
        if (!view.text().starts_with(end.substr(0, 4)) || !view.text().ends_with(end) ||
            view.text().size() < 16)
            throw zcx::error(ZCX_ECORRUPT, 0, "no Arrow stream");
        return json(json_deep_copy(of.expect()));
    }

    json reference(zcx_encoding encoding) const
    {
        zcx::reference read = zcx::reference::parse(encoding, of.bytes());
        CHECK(zcx::reference::is(encoding, of.bytes()));
        json out = written(read);
        for (zcx_encoding other : {ZCX_ENCODING_MSGPACK, ZCX_ENCODING_JSON}) {
            zcx::reference again = zcx::reference::parse(other, read.write(other));
            json same = written(again);
            CHECK(json_equal(out.get(), same.get()));
            CHECK(again.written() == read.written());
        }
        for (const char *name : {"_lmdb_ref", "_lmdb_output_written"}) // seen by is and written
            if (json_t *flag = json_object_get(of.expect(), name))
                json_object_set(out.get(), name, flag);
        CHECK(read.written() == json_is_true(json_object_get(out.get(), "_lmdb_output_written")));
        return out;
    }

    json replay() const
    {
        if (of.kind == "record") return record();
        if (of.kind == "raw") return raw();
        if (of.kind == "msgpack") return msgpack();
        if (of.kind == "numpy") return numpy();
        if (of.kind == "json") return text();
        if (of.kind == "arrow") return arrow();
        if (of.kind == "reference-msgpack") return reference(ZCX_ENCODING_MSGPACK);
        if (of.kind == "reference-json") return reference(ZCX_ENCODING_JSON);
        FAIL(of.file << " is of no known kind: " << of.kind);
        return {};
    }

    void check() const
    {
        std::string status = "OK", said;
        try {
            json got = replay(), expect = expand(of.expect());
            if (!json_equal(got.get(), expect.get())) {
                std::unique_ptr<char, decltype(&free)> text(json_dumps(got.get(), JSON_ENCODE_ANY),
                                                            free);
                FAIL_CHECK(of.file << " says " << text.get());
            }
        } catch (const zcx::error &thrown) {
            status = zcx_status_name(thrown.status()) + 4;
            said = thrown.what();
            CHECK(said.size() > 5);
        }
        CHECK_MESSAGE(status == of.status, of.file << ": " << said);
    }
};

} // namespace

TEST_CASE("every case gives what the index says, and every file is one")
{
    directory in;
    json_error_t where;
    json index(json_load_file((vectors / "index.json").c_str(), JSON_ALLOW_NUL, &where));
    REQUIRE_MESSAGE(index, std::string(where.text));
    std::vector<test_case> cases = read_cases(index.get());
    CHECK(cases.size() > 300);
    zcx::store(in.path, {.budget = budget}).close();
    put_by_lmdb(in.path, cases);

    zcx::store store(in.path);
    std::set<std::string> replayed;
    for (const test_case &one : cases) {
        replayer{store, one}.check();
        replayed.insert(one.file);
    }
    for (const auto &entry : std::filesystem::recursive_directory_iterator(vectors)) {
        std::string name = std::filesystem::relative(entry.path(), vectors);
        if (!entry.is_regular_file() || name == "index.json" || name.starts_with("generat"))
            continue;
        CHECK_MESSAGE(replayed.contains(name), "nobody replays " << name);
    }
}
