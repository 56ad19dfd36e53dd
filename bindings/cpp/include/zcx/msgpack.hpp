// msgpack payloads: written straight into their place, read where they lie.
#pragma once

#include "core.hpp"
#include "value.hpp"

#include <exception>

namespace zcx
{

// Writes one object, by the same calls twice: first it only counts, then it writes. A failure of a
// call is thrown by it (ELIMIT: nesting, size; EINVAL: more or fewer items than announced).
class packer
{
public:
    // The bytes that `build(packer &)` takes.
    template <typename Build> static std::uint64_t count(Build &build)
    {
        return packer(nullptr, 0).run(build);
    }
    // Writes them to `to`, which is 64-byte aligned and as large as was counted.
    template <typename Build> static std::uint64_t write(Build &build, std::span<std::byte> to)
    {
        return packer(to.data(), to.size()).run(build);
    }

    bool counting() const noexcept { return counting_; } // the first pass

    void nil() { check(zcx_pack_nil(use())); }
    void boolean(bool value) { check(zcx_pack_bool(use(), value)); }
    void integer(std::int64_t value) { check(zcx_pack_int(use(), value)); }
    void unsigned_integer(std::uint64_t value) { check(zcx_pack_uint(use(), value)); }
    void real(double value) { check(zcx_pack_double(use(), value)); }
    void text(std::string_view text) { check(zcx_pack_str(use(), text.data(), text.size())); }
    void binary(bytes data) { check(zcx_pack_bin(use(), data.data(), data.size())); }
    void list(std::uint64_t items) { check(zcx_pack_list(use(), items)); } // then its items
    void map(std::uint64_t pairs) { check(zcx_pack_map(use(), pairs)); }   // then key, value, …

    // Where to write the elements, in place; nothing while counting.
    template <element T>
    std::span<T> array(const std::vector<std::uint64_t> &shape, char order = 'C')
    {
        std::uint64_t size = sizeof(T);
        for (std::uint64_t one : shape)
            if (__builtin_mul_overflow(size, one, &size))
                throw error(ZCX_ELIMIT, 0, "an array has more elements than 64 bits can count");
        void *place = describe(zcx::dtype<T>(), shape, order, size);
        return {static_cast<T *>(place), place ? size / sizeof(T) : 0};
    }

    // An object that exists already; the elements of its arrays are copied into their place.
    void object(const value &value);

private:
    packer(void *buffer, std::uint64_t capacity) : counting_(!buffer)
    {
        zcx_packer *made;
        detail::check(zcx_packer_open, &made, buffer, capacity);
        packer_.reset(made);
    }

    template <typename Build> std::uint64_t run(Build &build)
    {
        std::uint64_t length;
        build(*this);
        detail::check(zcx_packer_close, packer_.release(), &length);
        return length;
    }

    zcx_packer *use() { return packer_.get(); }

    // A failed call's reason comes out of the closing.
    void check(zcx_status status)
    {
        if (status == ZCX_OK) return;
        std::uint64_t length;
        detail::check(zcx_packer_close, packer_.release(), &length);
    }

    void *describe(const char *dtype, const std::vector<std::uint64_t> &shape, char order,
                   std::uint64_t nbytes)
    {
        zcx_array about{};
        void *place = nullptr;
        about.struct_size = sizeof about;
        about.dtype = dtype;
        about.shape = shape.data();
        about.ndim = static_cast<std::uint32_t>(shape.size());
        about.order = order;
        about.nbytes = nbytes;
        check(zcx_pack_array(use(), &about, &place));
        return place;
    }

    static void close(zcx_packer *unfinished) noexcept
    {
        std::uint64_t length;
        if (zcx_packer_close(unfinished, &length, nullptr) != ZCX_OK) return; // it is unfinished
    }

    std::unique_ptr<zcx_packer, detail::dropper<&packer::close>> packer_;
    bool counting_;
};

inline void packer::object(const value &from)
{
    struct writer {
        packer &to;
        void operator()(std::monostate) { to.nil(); }
        void operator()(bool value) { to.boolean(value); }
        void operator()(std::int64_t value) { to.integer(value); }
        void operator()(std::uint64_t value) { to.unsigned_integer(value); }
        void operator()(double value) { to.real(value); }
        void operator()(std::string_view value) { to.text(value); }
        void operator()(bytes value) { to.binary(value); }
        void operator()(const zcx::list &items)
        {
            to.list(items.size());
            for (const value &item : items)
                to.object(item);
        }
        void operator()(const zcx::map &pairs)
        {
            to.map(pairs.size());
            for (const auto &[key, item] : pairs) {
                to.object(key);
                to.object(item);
            }
        }
        void operator()(const zcx::array &value)
        {
            void *place =
                to.describe(value.dtype.c_str(), value.shape, value.order, value.data.size());
            if (place) zcx_copy(place, value.data.data(), value.data.size());
        }
        void operator()(const extension &value)
        {
            throw error(ZCX_EUNSUPPORTED, 0,
                        "msgpack extension " + std::to_string(value.type) +
                            " can be read, but not written");
        }
    };
    std::visit(writer{*this}, from.get());
}

namespace detail
{

// Makes values for zcx_unpack. An exception must not cross the C in between: it is kept.
struct value_builder {
    std::exception_ptr failure;

    template <typename... From> static void *make(void *context, From &&...from) noexcept
    {
        try {
            return new value(std::forward<From>(from)...);
        } catch (...) {
            static_cast<value_builder *>(context)->failure = std::current_exception();
            return nullptr;
        }
    }

    template <typename Container, typename... Items>
    static bool grow(void *context, void *to, Items *...items) noexcept
    {
        try {
            auto &all =
                std::get<Container>(const_cast<value::variant &>(static_cast<value *>(to)->get()));
            all.emplace_back(std::move(*static_cast<value *>(items))...);
            (delete static_cast<value *>(items), ...);
            return true;
        } catch (...) {
            static_cast<value_builder *>(context)->failure = std::current_exception();
            return false;
        }
    }

    static void *array(void *context, const zcx_array *from) noexcept
    {
        try {
            return new value(zcx::array{from->dtype,
                                        {from->shape, from->shape + from->ndim},
                                        from->order,
                                        as_span(from->data, from->nbytes)});
        } catch (...) {
            static_cast<value_builder *>(context)->failure = std::current_exception();
            return nullptr;
        }
    }
};

inline zcx_builder callbacks()
{
    using self = value_builder;
    zcx_builder to{};
    to.struct_size = sizeof to;
    to.nil = [](void *context) { return self::make(context); };
    to.boolean = [](void *context, bool value) { return self::make(context, value); };
    to.integer = [](void *context, std::int64_t value) { return self::make(context, value); };
    to.unsigned_integer = [](void *context, std::uint64_t value) {
        return self::make(context, value);
    };
    to.real = [](void *context, double value) { return self::make(context, value); };
    to.str = [](void *context, const char *text, std::uint64_t length) {
        return self::make(context, std::string_view(text, length));
    };
    to.bin = [](void *context, const void *data, std::uint64_t length) {
        return self::make(context, as_span(data, length));
    };
    to.list = [](void *context, std::uint64_t) { return self::make(context, zcx::list()); };
    to.add = [](void *context, void *list, std::uint64_t, void *item) {
        return self::grow<zcx::list>(context, list, item);
    };
    to.map = [](void *context, std::uint64_t) { return self::make(context, zcx::map()); };
    to.set = [](void *context, void *map, void *key, void *item) {
        return self::grow<zcx::map>(context, map, key, item);
    };
    to.array = self::array;
    to.extension = [](void *context, std::int8_t type, const void *data, std::uint64_t length) {
        return self::make(context, zcx::extension{type, as_span(data, length)});
    };
    to.drop = [](void *, void *object) { delete static_cast<value *>(object); };
    return to;
}

} // namespace detail

// The one object of a msgpack payload, whose text, bytes and arrays stay where they are. ECORRUPT,
// ELIMIT (nesting over ZCX_NESTING_MAX).
inline value unpack(bytes payload)
{
    const zcx_builder builder = detail::callbacks();
    detail::value_builder context;
    detail::no_error why;
    void *made;
    zcx_status status = zcx_unpack(&made, payload.data(), payload.size(), &builder, &context, &why);
    if (context.failure) std::rethrow_exception(context.failure);
    if (status != ZCX_OK) detail::raise(status, why);
    std::unique_ptr<value> object(static_cast<value *>(made));
    return std::move(*object);
}

} // namespace zcx
