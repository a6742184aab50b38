use super::wrap;
