-- Receipts whose message hasn't come for a day; a thousand are looked at a time, so that no lock lasts.
SELECT seen, deleted FROM forget_early_receipts();
