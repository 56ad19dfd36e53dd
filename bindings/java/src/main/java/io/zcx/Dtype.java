package io.zcx;

/** NumPy's type strings. */
final class Dtype {
    private Dtype() {}

    /** Bytes of an array. EINVAL for a dtype without a known size, ELIMIT. */
    static long nbytes(String dtype, long[] shape) {
        if (dtype == null || !dtype.matches("[<>|][biufcmMSUV][0-9]{1,9}(\\[.*\\])?")) {
            throw new ZcxException(Status.EINVAL, "dtype " + dtype + " has no known size");
        }
        String digits = dtype.substring(2).replaceFirst("\\[.*", "");
        long size = Long.parseLong(digits) * (dtype.charAt(1) == 'U' ? 4 : 1);
        try {
            for (long extent : shape) {
                if (extent < 0) {
                    throw new ZcxException(Status.EINVAL, "a shape has the size " + extent);
                }
                size = Math.multiplyExact(size, extent);
            }
        } catch (ArithmeticException error) {
            throw new ZcxException(Status.ELIMIT, "an array has over 2^63 bytes");
        }
        return size;
    }
}
