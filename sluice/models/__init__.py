"""Model versions: what one holds, where they are kept, how they are loaded, converted, checked."""
