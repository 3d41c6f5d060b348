//! parvis
