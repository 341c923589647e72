//! Recordings and their annotations, as files hold them.
