/* CRC32C (Castagnoli), by the processor's own instruction where it has one. */
#include "envelope.h"

#include <string.h>

#if defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define STEP8(crc, word) __crc32cd(crc, word)
#define STEP1(crc, byte) __crc32cb(crc, byte)
#define HARDWARE
#define SUPPORTED true
#elif defined(__x86_64__)
#include <nmmintrin.h>
#define STEP8(crc, word) (uint32_t) _mm_crc32_u64(crc, word)
#define STEP1(crc, byte) _mm_crc32_u8(crc, byte)
#define HARDWARE __attribute__((target("sse4.2")))
#define SUPPORTED __builtin_cpu_supports("sse4.2") /* a load: resolved before main() */
#endif

#ifdef HARDWARE
HARDWARE static uint32_t by_hardware(uint32_t crc, const uint8_t *bytes, size_t length)
{
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = STEP8(crc, word);
    }
    for (; length; length--)
        crc = STEP1(crc, *bytes++);
    return crc;
}
#endif

/* Four bits a step: this runs on few machines, and small tables are easy to check. */
static uint32_t by_table(uint32_t crc, const uint8_t *bytes, size_t length)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (; length; length--) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

uint32_t zcxi_crc32c(uint32_t crc, const void *data, size_t length)
{
#ifdef HARDWARE
    if (SUPPORTED) return ~by_hardware(~crc, data, length);
#endif
    return ~by_table(~crc, data, length);
}
