-- The most that the models may cost in a month for the holder of a key, in the currency of the prices.
ALTER TABLE kb_api_key
  ADD COLUMN IF NOT EXISTS month_budget DECIMAL(18, 6) NULL AFTER tokens_per_day;
