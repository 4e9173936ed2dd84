//! The composition root: builds the instance, joins its parts, shuts them down in order.
