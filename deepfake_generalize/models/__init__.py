"""The five architectures of the study, and the one interface to every detector."""
