//! Warnings that the server sends beside its answers, as the client hands them over: on the thread
//! that waits for the answer.

use std::cell::RefCell;

use postgres::error::{DbError, Severity};

use super::explain::one_line;

thread_local! {
    /// The first warning since [`forget`].
    static WARNING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Logs what the server sends beside its answers, and keeps the first warning.
pub(super) fn notice(notice: &DbError) {
    let text = one_line(notice);
    if notice.parsed_severity() == Some(Severity::Warning) {
        log::debug!("the server warns: {text}");
        WARNING.with_borrow_mut(|warning| {
            warning.get_or_insert(text);
        });
    } else {
        log::debug!("the server says: {text}");
    }
}

/// Forgets the warnings so far.
pub(super) fn forget() {
    WARNING.set(None);
}

/// The first warning since [`forget`].
pub(super) fn take() -> Option<String> {
    WARNING.take()
}
