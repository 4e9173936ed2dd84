//! Carries effects out and reports what happened: the hub, its handle, one actor a process.
