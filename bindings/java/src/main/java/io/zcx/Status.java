package io.zcx;

/** Why a call failed, as the C library numbers it. */
public enum Status {
    OK, ENOTFOUND, EEXPIRED, EINVAL, ELIMIT, EFULL, EBUSY, ETIMEDOUT, ECORRUPT, EVERSION, EACCES,
    ELOST, ESTALE, EFORK, ECLOSED, EUNSUPPORTED, ENOMEM, ESYSTEM, EFAILED, EDELETED, EDEAD,
    ECANCELLED,
    /** A number of a later library; the exception's {@code number()} has it. */
    UNKNOWN;

    private static final Status[] ALL = values();

    static Status of(int number) {
        return number >= 0 && number < UNKNOWN.ordinal() ? ALL[number] : UNKNOWN;
    }
}
