-- After the draw: what chance was taken from, errors, annulment, changed communities. The other dialect's file declares the same tables and columns.

-- what the chance of the draw was taken from: sealed numbers, a beacon's record, numbers thrown
CREATE TABLE evidence (
  trial_id TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  CONSTRAINT evidence_key PRIMARY KEY (trial_id, name),
  CONSTRAINT evidence_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT evidence_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

-- errors at or after the draw: the draw stays, the truth is recorded
CREATE TABLE draw_error (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL CONSTRAINT draw_error_seq_valid CHECK (seq >= 1),
  school_id TEXT NOT NULL,
  kind TEXT NOT NULL CONSTRAINT draw_error_kind_valid CHECK (kind IN ('wrong-stratum', 'ineligible', 'told-wrong-arm', 'received-other-arm', 'other')),
  note TEXT NOT NULL CONSTRAINT draw_error_note_valid CHECK (length(note) > 0),
  found_on TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT draw_error_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT draw_error_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT draw_error_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT draw_error_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

-- the one draw declared void; it stays as it was
CREATE TABLE annulment (
  trial_id TEXT NOT NULL,
  why TEXT NOT NULL CONSTRAINT annulment_why_valid CHECK (length(why) > 0),
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  confirmed_by TEXT NOT NULL CONSTRAINT annulment_confirmed_by_valid CHECK (length(confirmed_by) > 0),
  CONSTRAINT annulment_key PRIMARY KEY (trial_id),
  CONSTRAINT annulment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT annulment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

-- changes of communities after the draw; the drawn community stays the analysis variable
CREATE TABLE community_change (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL CONSTRAINT community_change_seq_valid CHECK (seq >= 1),
  kind TEXT NOT NULL CONSTRAINT community_change_kind_valid CHECK (kind IN ('join', 'leave', 'merge')),
  school_id TEXT NOT NULL,
  arm TEXT NOT NULL,
  from_community INTEGER NOT NULL CONSTRAINT community_change_from_community_valid CHECK (from_community >= 0),
  to_community INTEGER NOT NULL CONSTRAINT community_change_to_community_valid CHECK (to_community >= 0),
  changed_on TEXT NOT NULL,
  reason TEXT NOT NULL CONSTRAINT community_change_reason_valid CHECK (length(reason) > 0),
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT community_change_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT community_change_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT community_change_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT community_change_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER draw_error_no_update BEFORE UPDATE ON draw_error BEGIN SELECT RAISE(ABORT, 'draw_error is append-only'); END;
CREATE TRIGGER draw_error_no_delete BEFORE DELETE ON draw_error BEGIN SELECT RAISE(ABORT, 'draw_error is append-only'); END;
CREATE TRIGGER annulment_no_update BEFORE UPDATE ON annulment BEGIN SELECT RAISE(ABORT, 'annulment is append-only'); END;
CREATE TRIGGER annulment_no_delete BEFORE DELETE ON annulment BEGIN SELECT RAISE(ABORT, 'annulment is append-only'); END;
CREATE TRIGGER community_change_no_update BEFORE UPDATE ON community_change BEGIN SELECT RAISE(ABORT, 'community_change is append-only'); END;
CREATE TRIGGER community_change_no_delete BEFORE DELETE ON community_change BEGIN SELECT RAISE(ABORT, 'community_change is append-only'); END;
