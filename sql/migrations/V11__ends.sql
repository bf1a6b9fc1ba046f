-- Most versions are current and have no end, and stood in the index over the ends all the same: a sixth of what it
-- takes to write versions. That no two versions of a key end together is said of those that end.
alter table warehouse.dim_user drop constraint dim_user_end;
create unique index dim_user_end on warehouse.dim_user (user_id, valid_to) where valid_to is not null;

alter table warehouse.dim_card drop constraint dim_card_end;
create unique index dim_card_end on warehouse.dim_card (card_id, valid_to) where valid_to is not null;
