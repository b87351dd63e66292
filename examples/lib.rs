//! Short programs that show one thing each: see the files beside this one.
