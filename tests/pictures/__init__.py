"""The screen as it is drawn: a recorded drill, its scenes, and the pictures of them."""
