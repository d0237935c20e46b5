//! Configurations as stories: files in, settings and complaints out.
