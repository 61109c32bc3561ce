"""What `coordinator doctor` looks at; each module returns lines of its report."""
