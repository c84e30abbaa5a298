-- The first shape of the store. The other dialect's file declares the same tables and columns.

-- one line a trial
CREATE TABLE trial (
  trial_id TEXT NOT NULL,
  title TEXT NOT NULL,
  made_at TEXT NOT NULL,
  CONSTRAINT trial_key PRIMARY KEY (trial_id)
) STRICT;

-- every change; the bytes that were hashed
CREATE TABLE ledger (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL CONSTRAINT ledger_seq_valid CHECK (seq >= 1),
  text TEXT NOT NULL,
  digest TEXT NOT NULL CONSTRAINT ledger_digest_valid CHECK (length(digest) = 64),
  CONSTRAINT ledger_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT ledger_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- every version of trial.yaml
CREATE TABLE protocol (
  trial_id TEXT NOT NULL,
  version INTEGER NOT NULL CONSTRAINT protocol_version_valid CHECK (version >= 1),
  text TEXT NOT NULL,
  digest TEXT NOT NULL CONSTRAINT protocol_digest_valid CHECK (length(digest) = 64),
  at TEXT NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  CONSTRAINT protocol_key PRIMARY KEY (trial_id, version),
  CONSTRAINT protocol_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- where each school stands in recruitment
CREATE TABLE school (
  trial_id TEXT NOT NULL,
  school_id TEXT NOT NULL CONSTRAINT school_school_id_valid CHECK (length(school_id) BETWEEN 1 AND 64),
  name TEXT NOT NULL,
  attributes TEXT NOT NULL,
  stage TEXT NOT NULL CONSTRAINT school_stage_valid CHECK (stage IN ('listed', 'approached', 'interested', 'agreement signed', 'baseline data received', 'ready', 'ineligible', 'declined', 'withdrew before the draw')),
  since TEXT NOT NULL,
  reason TEXT NOT NULL,
  note TEXT NOT NULL,
  source TEXT NOT NULL,
  CONSTRAINT school_key PRIMARY KEY (trial_id, school_id),
  CONSTRAINT school_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- each step of a school's way through recruitment
CREATE TABLE stage_change (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  school_id TEXT NOT NULL,
  from_stage TEXT NOT NULL,
  to_stage TEXT NOT NULL,
  changed_on TEXT NOT NULL,
  reason TEXT NOT NULL,
  note TEXT NOT NULL,
  CONSTRAINT stage_change_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT stage_change_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT stage_change_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
) STRICT;

-- who signed a school's agreement, and when
CREATE TABLE signature (
  trial_id TEXT NOT NULL,
  school_id TEXT NOT NULL,
  role TEXT NOT NULL,
  signed_on TEXT NOT NULL,
  CONSTRAINT signature_key PRIMARY KEY (trial_id, school_id, role),
  CONSTRAINT signature_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT signature_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
) STRICT;

-- the only table with names, UPNs and addresses
CREATE TABLE identity (
  trial_id TEXT NOT NULL,
  kind TEXT NOT NULL CONSTRAINT identity_kind_valid CHECK (kind IN ('pupil', 'leader')),
  person TEXT NOT NULL,
  name TEXT NOT NULL,
  number TEXT NOT NULL,
  email TEXT NOT NULL,
  CONSTRAINT identity_key PRIMARY KEY (trial_id, kind, person),
  CONSTRAINT identity_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- who leads the programme in a school, by pseudonymous ID
CREATE TABLE leader (
  trial_id TEXT NOT NULL,
  person TEXT NOT NULL,
  school_id TEXT NOT NULL,
  role TEXT NOT NULL,
  named_on TEXT NOT NULL,
  left_on TEXT NOT NULL,
  CONSTRAINT leader_key PRIMARY KEY (trial_id, person),
  CONSTRAINT leader_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT leader_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
) STRICT;

-- members of staff, as far as surveys need them
CREATE TABLE staff (
  trial_id TEXT NOT NULL,
  staff_id TEXT NOT NULL,
  school_id TEXT NOT NULL,
  role TEXT NOT NULL,
  years TEXT NOT NULL,
  CONSTRAINT staff_key PRIMARY KEY (trial_id, staff_id),
  CONSTRAINT staff_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT staff_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
) STRICT;

-- answers to a round of a survey
CREATE TABLE response (
  trial_id TEXT NOT NULL,
  survey TEXT NOT NULL,
  round TEXT NOT NULL,
  staff_id TEXT NOT NULL,
  answered_on TEXT NOT NULL,
  CONSTRAINT response_key PRIMARY KEY (trial_id, survey, round, staff_id),
  CONSTRAINT response_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT response_staff FOREIGN KEY (trial_id, staff_id) REFERENCES staff (trial_id, staff_id)
) STRICT;

-- pupils by pseudonymous ID
CREATE TABLE pupil (
  trial_id TEXT NOT NULL,
  pupil_id TEXT NOT NULL CONSTRAINT pupil_pupil_id_valid CHECK (length(pupil_id) BETWEEN 1 AND 64),
  school_id TEXT NOT NULL,
  joiner INTEGER NOT NULL CONSTRAINT pupil_joiner_valid CHECK (joiner IN (0, 1)),
  attributes TEXT NOT NULL,
  CONSTRAINT pupil_key PRIMARY KEY (trial_id, pupil_id),
  CONSTRAINT pupil_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT pupil_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id)
) STRICT;

-- measurements; a corrected score is a new revision
CREATE TABLE score (
  trial_id TEXT NOT NULL,
  measure TEXT NOT NULL,
  person TEXT NOT NULL,
  revision INTEGER NOT NULL CONSTRAINT score_revision_valid CHECK (revision >= 1),
  value REAL CONSTRAINT score_value_number CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
  missing TEXT NOT NULL,
  CONSTRAINT score_key PRIMARY KEY (trial_id, measure, person, revision),
  CONSTRAINT score_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT score_value_or_reason CHECK ((value IS NULL) = (length(missing) > 0))
) STRICT;

-- what was locked: the exact texts
CREATE TABLE roster (
  trial_id TEXT NOT NULL,
  version INTEGER NOT NULL CONSTRAINT roster_version_valid CHECK (version >= 1),
  protocol INTEGER NOT NULL,
  design_text TEXT NOT NULL,
  roster_text TEXT NOT NULL,
  pupils_text TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT roster_key PRIMARY KEY (trial_id, version),
  CONSTRAINT roster_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- what will be drawn, and from which chance
CREATE TABLE commitment (
  trial_id TEXT NOT NULL,
  roster INTEGER NOT NULL,
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT commitment_key PRIMARY KEY (trial_id),
  CONSTRAINT commitment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- the one draw
CREATE TABLE draw (
  trial_id TEXT NOT NULL,
  roster INTEGER NOT NULL,
  chance TEXT NOT NULL CONSTRAINT draw_chance_valid CHECK (length(chance) = 64),
  allocation_text TEXT NOT NULL,
  digest TEXT NOT NULL CONSTRAINT draw_digest_valid CHECK (length(digest) = 64),
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  confirmed_by TEXT NOT NULL,
  CONSTRAINT draw_key PRIMARY KEY (trial_id),
  CONSTRAINT draw_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- the draw's lines, for queries
CREATE TABLE assignment (
  trial_id TEXT NOT NULL,
  school_id TEXT NOT NULL,
  arm TEXT NOT NULL,
  community INTEGER NOT NULL CONSTRAINT assignment_community_valid CHECK (community >= 0),
  CONSTRAINT assignment_key PRIMARY KEY (trial_id, school_id),
  CONSTRAINT assignment_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT assignment_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT assignment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

-- a trial that ended before its draw
CREATE TABLE stop (
  trial_id TEXT NOT NULL,
  stopped_on TEXT NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT stop_key PRIMARY KEY (trial_id),
  CONSTRAINT stop_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- who was at which session
CREATE TABLE attendance (
  trial_id TEXT NOT NULL,
  session TEXT NOT NULL,
  person TEXT NOT NULL,
  school_id TEXT NOT NULL,
  attended INTEGER NOT NULL CONSTRAINT attendance_attended_valid CHECK (attended IN (0, 1)),
  CONSTRAINT attendance_key PRIMARY KEY (trial_id, session, person),
  CONSTRAINT attendance_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT attendance_school FOREIGN KEY (trial_id, school_id) REFERENCES school (trial_id, school_id),
  CONSTRAINT attendance_leader FOREIGN KEY (trial_id, person) REFERENCES leader (trial_id, person)
) STRICT;

-- who left, from what and why; nobody leaves the roster
CREATE TABLE withdrawal (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  level TEXT NOT NULL CONSTRAINT withdrawal_level_valid CHECK (level IN ('school', 'pupil')),
  subject TEXT NOT NULL,
  left_what TEXT NOT NULL CONSTRAINT withdrawal_left_what_valid CHECK (left_what IN ('programme', 'data', 'both')),
  left_on TEXT NOT NULL,
  reason TEXT NOT NULL,
  note TEXT NOT NULL,
  CONSTRAINT withdrawal_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT withdrawal_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- each file taken in, with its reconciliation
CREATE TABLE import (
  trial_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  file TEXT NOT NULL,
  digest TEXT NOT NULL,
  rows INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  not_stored TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT import_key PRIMARY KEY (trial_id, seq),
  CONSTRAINT import_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- each run of the plan, at full precision
CREATE TABLE analysis (
  trial_id TEXT NOT NULL,
  run INTEGER NOT NULL CONSTRAINT analysis_run_valid CHECK (run >= 1),
  protocol INTEGER NOT NULL,
  data_digest TEXT NOT NULL,
  results_text TEXT NOT NULL,
  digest TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT analysis_key PRIMARY KEY (trial_id, run),
  CONSTRAINT analysis_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- what became of those randomised, by arm and level
CREATE TABLE flow (
  trial_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  level TEXT NOT NULL CONSTRAINT flow_level_valid CHECK (level IN ('school', 'pupil')),
  arm TEXT NOT NULL,
  randomised INTEGER NOT NULL,
  analysed INTEGER NOT NULL CONSTRAINT flow_analysed_valid CHECK (analysed >= 0),
  lost INTEGER NOT NULL CONSTRAINT flow_lost_valid CHECK (lost >= 0),
  CONSTRAINT flow_key PRIMARY KEY (trial_id, run, outcome, level, arm),
  CONSTRAINT flow_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT flow_analysis FOREIGN KEY (trial_id, run) REFERENCES analysis (trial_id, run),
  CONSTRAINT flow_conserved CHECK (randomised = analysed + lost)
) STRICT;

-- why those lost were lost
CREATE TABLE loss (
  trial_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  level TEXT NOT NULL,
  arm TEXT NOT NULL,
  reason TEXT NOT NULL CONSTRAINT loss_reason_valid CHECK (length(reason) > 0),
  n INTEGER NOT NULL CONSTRAINT loss_n_valid CHECK (n > 0),
  CONSTRAINT loss_key PRIMARY KEY (trial_id, run, outcome, level, arm, reason),
  CONSTRAINT loss_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT loss_flow FOREIGN KEY (trial_id, run, outcome, level, arm) REFERENCES flow (trial_id, run, outcome, level, arm)
) STRICT;

-- copies of the ledger's head that somebody else holds
CREATE TABLE receipt (
  trial_id TEXT NOT NULL,
  size INTEGER NOT NULL,
  head TEXT NOT NULL,
  made_at TEXT NOT NULL,
  holder TEXT NOT NULL,
  CONSTRAINT receipt_key PRIMARY KEY (trial_id, size, holder),
  CONSTRAINT receipt_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id)
) STRICT;

-- What was recorded stays: only a school's or a leader's present state may be
-- changed (each change is an entry of the ledger), and only a person's
-- identity may be erased.
CREATE TRIGGER trial_no_update BEFORE UPDATE ON trial BEGIN SELECT RAISE(ABORT, 'trial is append-only'); END;
CREATE TRIGGER trial_no_delete BEFORE DELETE ON trial BEGIN SELECT RAISE(ABORT, 'trial is append-only'); END;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;
CREATE TRIGGER protocol_no_update BEFORE UPDATE ON protocol BEGIN SELECT RAISE(ABORT, 'protocol is append-only'); END;
CREATE TRIGGER protocol_no_delete BEFORE DELETE ON protocol BEGIN SELECT RAISE(ABORT, 'protocol is append-only'); END;
CREATE TRIGGER school_no_delete BEFORE DELETE ON school BEGIN SELECT RAISE(ABORT, 'school is append-only'); END;
CREATE TRIGGER stage_change_no_update BEFORE UPDATE ON stage_change BEGIN SELECT RAISE(ABORT, 'stage_change is append-only'); END;
CREATE TRIGGER stage_change_no_delete BEFORE DELETE ON stage_change BEGIN SELECT RAISE(ABORT, 'stage_change is append-only'); END;
CREATE TRIGGER signature_no_update BEFORE UPDATE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER signature_no_delete BEFORE DELETE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER leader_no_delete BEFORE DELETE ON leader BEGIN SELECT RAISE(ABORT, 'leader is append-only'); END;
CREATE TRIGGER staff_no_delete BEFORE DELETE ON staff BEGIN SELECT RAISE(ABORT, 'staff is append-only'); END;
CREATE TRIGGER response_no_update BEFORE UPDATE ON response BEGIN SELECT RAISE(ABORT, 'response is append-only'); END;
CREATE TRIGGER response_no_delete BEFORE DELETE ON response BEGIN SELECT RAISE(ABORT, 'response is append-only'); END;
CREATE TRIGGER pupil_no_update BEFORE UPDATE ON pupil BEGIN SELECT RAISE(ABORT, 'pupil is append-only'); END;
CREATE TRIGGER pupil_no_delete BEFORE DELETE ON pupil BEGIN SELECT RAISE(ABORT, 'pupil is append-only'); END;
CREATE TRIGGER score_no_update BEFORE UPDATE ON score BEGIN SELECT RAISE(ABORT, 'score is append-only'); END;
CREATE TRIGGER score_no_delete BEFORE DELETE ON score BEGIN SELECT RAISE(ABORT, 'score is append-only'); END;
CREATE TRIGGER roster_no_update BEFORE UPDATE ON roster BEGIN SELECT RAISE(ABORT, 'roster is append-only'); END;
CREATE TRIGGER roster_no_delete BEFORE DELETE ON roster BEGIN SELECT RAISE(ABORT, 'roster is append-only'); END;
CREATE TRIGGER commitment_no_update BEFORE UPDATE ON commitment BEGIN SELECT RAISE(ABORT, 'commitment is append-only'); END;
CREATE TRIGGER commitment_no_delete BEFORE DELETE ON commitment BEGIN SELECT RAISE(ABORT, 'commitment is append-only'); END;
CREATE TRIGGER draw_no_update BEFORE UPDATE ON draw BEGIN SELECT RAISE(ABORT, 'draw is append-only'); END;
CREATE TRIGGER draw_no_delete BEFORE DELETE ON draw BEGIN SELECT RAISE(ABORT, 'draw is append-only'); END;
CREATE TRIGGER assignment_no_update BEFORE UPDATE ON assignment BEGIN SELECT RAISE(ABORT, 'assignment is append-only'); END;
CREATE TRIGGER assignment_no_delete BEFORE DELETE ON assignment BEGIN SELECT RAISE(ABORT, 'assignment is append-only'); END;
CREATE TRIGGER stop_no_update BEFORE UPDATE ON stop BEGIN SELECT RAISE(ABORT, 'stop is append-only'); END;
CREATE TRIGGER stop_no_delete BEFORE DELETE ON stop BEGIN SELECT RAISE(ABORT, 'stop is append-only'); END;
CREATE TRIGGER attendance_no_update BEFORE UPDATE ON attendance BEGIN SELECT RAISE(ABORT, 'attendance is append-only'); END;
CREATE TRIGGER attendance_no_delete BEFORE DELETE ON attendance BEGIN SELECT RAISE(ABORT, 'attendance is append-only'); END;
CREATE TRIGGER withdrawal_no_update BEFORE UPDATE ON withdrawal BEGIN SELECT RAISE(ABORT, 'withdrawal is append-only'); END;
CREATE TRIGGER withdrawal_no_delete BEFORE DELETE ON withdrawal BEGIN SELECT RAISE(ABORT, 'withdrawal is append-only'); END;
CREATE TRIGGER import_no_update BEFORE UPDATE ON import BEGIN SELECT RAISE(ABORT, 'import is append-only'); END;
CREATE TRIGGER import_no_delete BEFORE DELETE ON import BEGIN SELECT RAISE(ABORT, 'import is append-only'); END;
CREATE TRIGGER analysis_no_update BEFORE UPDATE ON analysis BEGIN SELECT RAISE(ABORT, 'analysis is append-only'); END;
CREATE TRIGGER analysis_no_delete BEFORE DELETE ON analysis BEGIN SELECT RAISE(ABORT, 'analysis is append-only'); END;
CREATE TRIGGER flow_no_update BEFORE UPDATE ON flow BEGIN SELECT RAISE(ABORT, 'flow is append-only'); END;
CREATE TRIGGER flow_no_delete BEFORE DELETE ON flow BEGIN SELECT RAISE(ABORT, 'flow is append-only'); END;
CREATE TRIGGER loss_no_update BEFORE UPDATE ON loss BEGIN SELECT RAISE(ABORT, 'loss is append-only'); END;
CREATE TRIGGER loss_no_delete BEFORE DELETE ON loss BEGIN SELECT RAISE(ABORT, 'loss is append-only'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'receipt is append-only'); END;
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'receipt is append-only'); END;

CREATE INDEX pupil_by_school ON pupil (trial_id, school_id);
CREATE INDEX staff_by_school ON staff (trial_id, school_id);
CREATE INDEX stage_change_by_school ON stage_change (trial_id, school_id);
CREATE INDEX score_by_person ON score (trial_id, person);
