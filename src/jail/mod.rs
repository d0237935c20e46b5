//! Placeholder: its room is waiting.
