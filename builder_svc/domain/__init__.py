"""What a build is and how one is carried out, whatever the builder."""
