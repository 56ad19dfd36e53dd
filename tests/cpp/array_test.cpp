// Typed spans and arrays: what is checked, and what the refusals say.
#include "fixture.hpp"

using zcx::array;

TEST_CASE("every element has the dtype that NumPy gives it")
{
    CHECK(zcx::dtype<std::int8_t>() == std::string("|i1"));
    CHECK(zcx::dtype<std::uint8_t>() == std::string("|u1"));
    CHECK(zcx::dtype<zcx::boolean>() == std::string("|b1"));
    CHECK(zcx::dtype<short>() == std::string("<i2"));
    CHECK(zcx::dtype<unsigned>() == std::string("<u4"));
    CHECK(zcx::dtype<long>() == std::string("<i8"));
    CHECK(zcx::dtype<long long>() == std::string("<i8"));
    CHECK(zcx::dtype<float>() == std::string("<f4"));
    CHECK(zcx::dtype<double>() == std::string("<f8"));
    CHECK(zcx::dtype<long double>() == std::string("<f16"));
    CHECK(zcx::dtype<std::complex<float>>() == std::string("<c8"));
    CHECK(zcx::dtype<std::complex<double>>() == std::string("<c16"));
    static_assert(zcx::element<const double>);
    static_assert(!zcx::element<bool> && !zcx::element<char> && !zcx::element<char32_t> &&
                  !zcx::element<std::byte> && !zcx::element<std::string>);
}

TEST_CASE("a typed span needs whole, aligned elements")
{
    alignas(64) std::byte memory[64]{};
    std::span<std::byte> all(memory);
    CHECK(zcx::as_elements<double>(all).size() == 8);
    CHECK(static_cast<void *>(zcx::as_elements<double>(all).data()) == memory);
    CHECK(zcx::as_elements<double>(zcx::bytes(all).first(0)).empty());
    struct point {
        std::int32_t x, y;
    };
    CHECK(zcx::as_elements<point>(zcx::bytes(all)).size() == 8);
    FAILS(ZCX_EINVAL, zcx::as_elements<double>(all.first(13)), "13 bytes", "elements of 8 bytes");
    FAILS(ZCX_EINVAL, zcx::as_elements<double>(all.subspan(4, 8)), "alignment of 8", "4 bytes");
    CHECK(zcx::as_elements<float>(all.subspan(4, 8)).size() == 2);
}

TEST_CASE("an array is read as what it is")
{
    std::vector<std::int32_t> numbers{1, -2, 3, 4, 5, 6};
    array flat = array::of(numbers), matrix = array::of(numbers, {2, 3}, 'F');
    CHECK(flat.dtype == "<i4");
    CHECK(flat.shape == std::vector<std::uint64_t>{6});
    CHECK(matrix.shape == std::vector<std::uint64_t>{2, 3});
    CHECK(matrix.order == 'F');
    CHECK(matrix.count() == 6);
    CHECK(matrix.as<std::int32_t>().data() == numbers.data());
    CHECK(array::of(std::span(numbers).first(2)).count() == 2);
    FAILS(ZCX_EINVAL, flat.as<double>(), "dtype \"<i4\"", "not <f8");
    FAILS(ZCX_EINVAL, flat.as<std::uint32_t>(), "<i4", "<u4");
    FAILS(ZCX_EINVAL, (flat.expect<float, double>()), "not <f4 <f8");

    array scalar{"<f8", {}, 'C', {}};
    CHECK(scalar.count() == 1);
    array byte{"<i1", {0}, 'C', {}};
    CHECK(byte.is<std::int8_t>());
    CHECK(!byte.is<std::uint8_t>());
}

TEST_CASE("visit calls with the type that the dtype is")
{
    std::vector<float> numbers{1.5f, 2.5f};
    double sum = 0;
    int calls = 0;
    array::of(numbers).visit<double, float, std::int64_t>([&](auto values) {
        calls++;
        for (auto x : values)
            sum += static_cast<double>(x);
    });
    CHECK(calls == 1);
    CHECK(sum == 4);
    auto nothing = [](auto) {};
    FAILS(ZCX_EINVAL, (array::of(numbers).visit<double, int>(nothing)), "\"<f4\"", "<f8 <i4");
}

template <typename Range>
concept makes_array = requires(Range &&range)
{
    array::of(std::forward<Range>(range));
};
static_assert(makes_array<std::vector<int> &> && makes_array<std::span<int>>);
static_assert(!makes_array<std::vector<int>>, "an array of a temporary would dangle");
