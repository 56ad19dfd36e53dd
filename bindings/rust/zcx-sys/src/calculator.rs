//! Exchange, reference, call, calculator.
use crate::{zcx_envelope, zcx_error, zcx_format, zcx_status, zcx_store, zcx_view};
use std::os::raw::{c_char, c_uint, c_void};

opaque! {
    zcx_exchange
    zcx_reference
    zcx_call
    zcx_calculator
    zcx_worker
}

pub type zcx_mode = c_uint;

pub const ZCX_MODE_INPUT: zcx_mode = 1;
pub const ZCX_MODE_OUTPUT: zcx_mode = 2;
pub const ZCX_MODE_BOTH: zcx_mode = 3;
pub const ZCX_MODE_REFERENCE: zcx_mode = 4;

pub type zcx_encoding = c_uint;

pub const ZCX_ENCODING_MSGPACK: zcx_encoding = 0;
pub const ZCX_ENCODING_JSON: zcx_encoding = 1;

pub type zcx_reference_field = c_uint;

pub const ZCX_REFERENCE_INPUT_KEY: zcx_reference_field = 0;
pub const ZCX_REFERENCE_OUTPUT_KEY: zcx_reference_field = 1;
pub const ZCX_REFERENCE_DB_PATH: zcx_reference_field = 2;
pub const ZCX_REFERENCE_DB_NAME: zcx_reference_field = 3;
pub const ZCX_REFERENCE_FORMAT: zcx_reference_field = 4;
pub const ZCX_REFERENCE_CALL_ID: zcx_reference_field = 5;

extern "C" {
    pub fn zcx_exchange_open(
        out: *mut *mut zcx_exchange,
        json: *const c_char,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_exchange_close(exchange: *mut zcx_exchange);
    pub fn zcx_exchange_sweep(exchange: *mut zcx_exchange, error: *mut zcx_error) -> zcx_status;
    pub fn zcx_exchange_name(exchange: *const zcx_exchange) -> *const c_char;
    pub fn zcx_exchange_language(exchange: *const zcx_exchange) -> *const c_char;
    pub fn zcx_exchange_enabled(exchange: *const zcx_exchange) -> bool;
    pub fn zcx_exchange_mode(exchange: *const zcx_exchange) -> zcx_mode;
    pub fn zcx_exchange_format(exchange: *const zcx_exchange) -> zcx_format;
    pub fn zcx_exchange_wait_timeout_ms(exchange: *const zcx_exchange) -> i64;
    pub fn zcx_exchange_store(exchange: *const zcx_exchange) -> *mut zcx_store;

    pub fn zcx_reference_parse(
        out: *mut *mut zcx_reference,
        encoding: zcx_encoding,
        data: *const c_void,
        length: u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_reference_is(encoding: zcx_encoding, data: *const c_void, length: u64) -> bool;
    pub fn zcx_reference_answer(
        out: *mut *mut zcx_reference,
        request: *const zcx_reference,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_reference_write(
        length: *mut u64,
        reference: *const zcx_reference,
        encoding: zcx_encoding,
        buffer: *mut c_void,
        capacity: u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_reference_text(
        reference: *const zcx_reference,
        field: zcx_reference_field,
    ) -> *const c_char;
    pub fn zcx_reference_data(reference: *const zcx_reference, length: *mut u64) -> *const c_void;
    pub fn zcx_reference_written(reference: *const zcx_reference) -> bool;
    pub fn zcx_reference_free(reference: *mut zcx_reference);

    pub fn zcx_call_open(
        out: *mut *mut zcx_call,
        exchange: *mut zcx_exchange,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_id(call: *const zcx_call) -> *const c_char;
    pub fn zcx_call_close(call: *mut zcx_call);
    pub fn zcx_call_input_by_reference(call: *const zcx_call, size: u64) -> bool;
    pub fn zcx_call_output_by_reference(call: *const zcx_call, size: u64) -> bool;
    pub fn zcx_call_input(
        data: *mut *mut c_void,
        call: *mut zcx_call,
        size: u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_submit(
        call: *mut zcx_call,
        length: u64,
        envelope: *const zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_input_view(
        call: *mut zcx_call,
        view: *mut zcx_view,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_input_reference(
        call: *mut zcx_call,
        reference: *const zcx_reference,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_skip_input(call: *mut zcx_call, error: *mut zcx_error) -> zcx_status;
    pub fn zcx_call_read(
        data: *mut *const c_void,
        length: *mut u64,
        envelope: *mut zcx_envelope,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_take_input(call: *mut zcx_call) -> *mut zcx_view;
    pub fn zcx_call_output(
        data: *mut *mut c_void,
        call: *mut zcx_call,
        size: u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_answer(
        call: *mut zcx_call,
        length: u64,
        envelope: *const zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_fail(call: *mut zcx_call, message: *const c_char, trace: *const c_char);
    pub fn zcx_call_request(
        out: *mut *mut zcx_reference,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_accept(
        call: *mut zcx_call,
        answer: *const zcx_reference,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_result(
        data: *mut *const c_void,
        length: *mut u64,
        envelope: *mut zcx_envelope,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_result_view(call: *mut zcx_call) -> *mut zcx_view;
    pub fn zcx_call_result_reference(
        out: *mut *mut zcx_reference,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_keep_result(call: *mut zcx_call);
    pub fn zcx_call_trace(call: *const zcx_call) -> *const c_char;

    pub fn zcx_calculator_open(
        out: *mut *mut zcx_calculator,
        json: *const c_char,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_calculator_close(
        calculator: *mut zcx_calculator,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_calculator_exchange(calculator: *const zcx_calculator) -> *mut zcx_exchange;
    pub fn zcx_calculator_call(
        calculator: *mut zcx_calculator,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;

    pub fn zcx_calculator_send(
        calculator: *mut zcx_calculator,
        call: *mut zcx_call,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_call_wait(call: *mut zcx_call, timeout_ms: i64, error: *mut zcx_error)
        -> zcx_status;
    pub fn zcx_call_cancel(call: *mut zcx_call, error: *mut zcx_error) -> zcx_status;
    pub fn zcx_worker_open(
        out: *mut *mut zcx_worker,
        json: *const c_char,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_worker_take(
        out: *mut *mut zcx_call,
        worker: *mut zcx_worker,
        timeout_ms: i64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_worker_stop(worker: *mut zcx_worker);
    pub fn zcx_worker_close(worker: *mut zcx_worker, error: *mut zcx_error) -> zcx_status;
}
