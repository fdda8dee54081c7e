"""What talks to the operating system: files, locks, logs of native libraries, the machine."""
