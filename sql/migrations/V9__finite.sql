-- A version from -infinity, or one that ends where another begins at infinity, kept the chain and meant nothing: its
-- views contradicted each other. Every end is the start of a next version, so the starts alone have to be finite.
alter table warehouse.dim_user add constraint dim_user_finite check (isfinite(valid_from));
alter table warehouse.dim_card add constraint dim_card_finite check (isfinite(valid_from));
