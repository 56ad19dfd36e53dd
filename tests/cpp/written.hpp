// Objects and envelopes as protocol/vectors/index.json writes them.
#pragma once

#include <zcx.hpp>

#include <jansson.h>

#include <bit>
#include <memory>

using json = std::unique_ptr<json_t, decltype([](json_t *value) { json_decref(value); })>;

inline json text_json(std::string_view text)
{
    return json(json_stringn(text.data(), text.size()));
}

inline std::string hex(zcx::bytes data)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::byte byte : data) {
        out += digits[std::to_integer<int>(byte) >> 4];
        out += digits[std::to_integer<int>(byte) & 15];
    }
    return out;
}

// {name: value}
inline json named(const char *name, json value)
{
    return json(json_pack("{s:o}", name, value.release()));
}

inline json int_json(auto number)
{
    return named("int", text_json(std::to_string(number)));
}

inline json real_json(double number)
{
    char text[17];
    snprintf(text, sizeof text, "%016lx", std::bit_cast<std::uint64_t>(number));
    return named("float", text_json(text));
}

// A size as JSON can hold it: jansson's integers are signed.
inline json shape_json(const std::vector<std::uint64_t> &shape)
{
    json sizes(json_array());
    for (std::uint64_t size : shape)
        json_array_append_new(sizes.get(), std::in_range<json_int_t>(size)
                                               ? json_integer(static_cast<json_int_t>(size))
                                               : text_json(std::to_string(size)).release());
    return sizes;
}

inline json array_json(const zcx::array &array)
{
    return named("array", json(json_pack("{s:s, s:o, s:s#, s:s}", "dtype", array.dtype.c_str(),
                                         "shape", shape_json(array.shape).release(), "order",
                                         &array.order, 1, "elements", hex(array.data).c_str())));
}

inline json written(const zcx::value &value)
{
    struct {
        json operator()(std::monostate) { return json(json_null()); }
        json operator()(bool of) { return json(json_boolean(of)); }
        json operator()(std::int64_t of) { return int_json(of); }
        json operator()(std::uint64_t of) { return int_json(of); }
        json operator()(double of) { return real_json(of); }
        json operator()(std::string_view of) { return text_json(of); }
        json operator()(zcx::bytes of) { return named("bin", text_json(hex(of))); }
        json operator()(const zcx::array &of) { return array_json(of); }
        json operator()(const zcx::extension &of)
        {
            return named("ext", json(json_pack("[i,s]", of.type, hex(of.data).c_str())));
        }
        json operator()(const zcx::list &of)
        {
            json items(json_array());
            for (const zcx::value &item : of)
                json_array_append_new(items.get(), written(item).release());
            return items;
        }
        json operator()(const zcx::map &of)
        {
            json pairs(json_array());
            for (const auto &[key, item] : of)
                json_array_append_new(pairs.get(), json_pack("[o,o]", written(key).release(),
                                                             written(item).release()));
            return named("map", std::move(pairs));
        }
    } write;
    return std::visit(write, value.get());
}

// What a JSON parser made of a payload.
inline json written(const json_t *value)
{
    if (json_is_integer(value)) return int_json(json_integer_value(value));
    if (json_is_real(value)) return real_json(json_real_value(value));
    json out(json_array());
    std::size_t index;
    const char *name;
    json_t *item;
    if (json_is_array(value)) {
        json_array_foreach(value, index, item)
            json_array_append_new(out.get(), written(item).release());
        return out;
    }
    if (!json_is_object(value)) return json(json_deep_copy(value));
    json_object_foreach(const_cast<json_t *>(value), name, item)
        json_array_append_new(out.get(), json_pack("[s,o]", name, written(item).release()));
    return named("map", std::move(out));
}

inline json written(const zcx::envelope &said)
{
    auto ns = [](zcx::time_point time) { return json_int_t(time.time_since_epoch().count()); };
    json out(json_pack(
        "{s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "format", int(said.format), "flags",
        int(said.flags), "in_slot", int(said.in_slot), "length", json_int_t(said.length),
        "transaction", json_int_t(said.transaction), "created", ns(said.created), "expires",
        said.expires ? ns(*said.expires) : 0, "slot", json_int_t(said.slot), "generation",
        json_int_t(said.generation), "checksum", json_int_t(said.checksum)));
    auto set = [&](const char *name, const std::optional<std::string> &text) {
        if (text) json_object_set_new(out.get(), name, json_string(text->c_str()));
    };
    set("source", said.source);
    set("target", said.target);
    set("content_type", said.content_type);
    if (!said.dtype.empty()) {
        set("dtype", said.dtype);
        set("order", std::string(1, said.order));
        json_object_set_new(out.get(), "shape", shape_json(said.shape).release());
    }
    return out;
}

inline json written(const zcx::reference &reference)
{
    static constexpr const char *names[] = {"_lmdb_input_key", "_lmdb_output_key", "_lmdb_db_path",
                                            "_lmdb_db_name",   "_lmdb_format",     "_txn_id"};
    json out(json_object());
    for (int i = 0; i < 6; i++)
        if (auto text = reference.text(static_cast<zcx_reference_field>(i)))
            json_object_set_new(out.get(), names[i], text_json(*text).release());
    if (auto data = reference.data())
        json_object_set_new(out.get(), "_lmdb_data", text_json(hex(*data)).release());
    return out;
}
