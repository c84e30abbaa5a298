-- How the outcomes may be looked at: blind runs, the unblinding, runs outside the plan. The other dialect's file declares the same tables and columns.

-- what a run is: of the plan while arms are letters; of the plan as it was locked; of the plan after it or the data changed; of something else
ALTER TABLE analysis ADD COLUMN kind TEXT NOT NULL DEFAULT 'planned' CONSTRAINT analysis_kind_valid CHECK (kind IN ('blind', 'planned', 'changed', 'exploratory'));
-- why a run is outside the plan; '' where it is within
ALTER TABLE analysis ADD COLUMN reason TEXT NOT NULL DEFAULT '' CONSTRAINT analysis_reason_valid CHECK ((kind IN ('changed', 'exploratory')) = (length(reason) > 0));

-- the plan and the data as they were when the arms' names were first put to an outcome's results
CREATE TABLE unblinding (
  trial_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  protocol INTEGER NOT NULL,
  plan_digest TEXT NOT NULL,
  data_digest TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  confirmed_by TEXT NOT NULL,
  CONSTRAINT unblinding_key PRIMARY KEY (trial_id, outcome),
  CONSTRAINT unblinding_trial FOREIGN KEY (trial_id) REFERENCES trial (trial_id),
  CONSTRAINT unblinding_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id)
) STRICT;

CREATE TRIGGER unblinding_no_update BEFORE UPDATE ON unblinding BEGIN SELECT RAISE(ABORT, 'unblinding is append-only'); END;
CREATE TRIGGER unblinding_no_delete BEFORE DELETE ON unblinding BEGIN SELECT RAISE(ABORT, 'unblinding is append-only'); END;
