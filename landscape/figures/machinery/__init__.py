"""What makes items: the registry, the study, the files with the manifest, and what it costs."""
