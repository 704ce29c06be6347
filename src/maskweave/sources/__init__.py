"""Where frames come from: pictures, folders, videos, cameras. Everything yields `Frame`, one at a time."""
