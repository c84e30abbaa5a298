-- After the draw: what chance was taken from, errors, annulment, changed communities. The other dialect's file declares the same tables and columns.

-- what the chance of the draw was taken from: sealed numbers, a beacon's record, numbers thrown
CREATE TABLE evidence (
  trial_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  text text COLLATE "C" NOT NULL,
  CONSTRAINT evidence_key PRIMARY KEY (trial_id, name),
  CONSTRAINT evidence_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT evidence_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
);

-- errors at or after the draw: the draw stays, the truth is recorded
CREATE TABLE draw_error (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CONSTRAINT draw_error_seq_valid CHECK (seq >= 1),
  school_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CONSTRAINT draw_error_kind_valid CHECK (kind IN ('wrong-stratum', 'ineligible', 'told-wrong-arm', 'received-other-arm', 'other')),
  note text COLLATE "C" NOT NULL CONSTRAINT draw_error_note_valid CHECK (length(note) > 0),
  found_on text COLLATE "C" NOT NULL,
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT draw_error_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT draw_error_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT draw_error_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT draw_error_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
);

-- the one draw declared void; it stays as it was
CREATE TABLE annulment (
  trial_id text COLLATE "C" NOT NULL,
  why text COLLATE "C" NOT NULL CONSTRAINT annulment_why_valid CHECK (length(why) > 0),
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  confirmed_by text COLLATE "C" NOT NULL CONSTRAINT annulment_confirmed_by_valid CHECK (length(confirmed_by) > 0),
  CONSTRAINT annulment_key PRIMARY KEY (trial_id),
  CONSTRAINT annulment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT annulment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
);

-- changes of communities after the draw; the drawn community stays the analysis variable
CREATE TABLE community_change (
  trial_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CONSTRAINT community_change_seq_valid CHECK (seq >= 1),
  kind text COLLATE "C" NOT NULL CONSTRAINT community_change_kind_valid CHECK (kind IN ('join', 'leave', 'merge')),
  school_id text COLLATE "C" NOT NULL,
  arm text COLLATE "C" NOT NULL,
  from_community bigint NOT NULL CONSTRAINT community_change_from_community_valid CHECK (from_community >= 0),
  to_community bigint NOT NULL CONSTRAINT community_change_to_community_valid CHECK (to_community >= 0),
  changed_on text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL CONSTRAINT community_change_reason_valid CHECK (length(reason) > 0),
  at text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  CONSTRAINT community_change_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT community_change_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT community_change_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT community_change_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
);

CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER evidence_no_truncate BEFORE TRUNCATE ON evidence FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_error_no_update BEFORE UPDATE ON draw_error FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_error_no_delete BEFORE DELETE ON draw_error FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER draw_error_no_truncate BEFORE TRUNCATE ON draw_error FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER annulment_no_update BEFORE UPDATE ON annulment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER annulment_no_delete BEFORE DELETE ON annulment FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER annulment_no_truncate BEFORE TRUNCATE ON annulment FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER community_change_no_update BEFORE UPDATE ON community_change FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER community_change_no_delete BEFORE DELETE ON community_change FOR EACH ROW EXECUTE FUNCTION evenhand_append_only();
CREATE TRIGGER community_change_no_truncate BEFORE TRUNCATE ON community_change FOR EACH STATEMENT EXECUTE FUNCTION evenhand_append_only();
