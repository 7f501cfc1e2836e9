//! Nothing by itself: its manifest names the features with which tests compile their dependencies, so
//! that a package's tests and the workspace's share them (docs/decisions/0018).
