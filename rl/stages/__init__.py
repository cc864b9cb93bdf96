"""The stages before RLVR: supervised fine-tuning and preferences, by TRL's trainers on token ids of our own
making."""
