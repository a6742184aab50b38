//! Two appliances made of namespaces.
