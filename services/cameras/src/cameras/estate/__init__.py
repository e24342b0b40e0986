"""Sites, cameras and which of them are alive."""
