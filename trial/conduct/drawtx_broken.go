//go:build brokendraw

package conduct

import (
	"context"

	"evenhand/trial/store"
)

// inDrawTransaction commits each part of the draw by itself, so that a kill
// can leave half a draw. It exists to show that the test which kills the
// program would notice, and is in no build but that test's.
func (t *Trial) inDrawTransaction(ctx context.Context, parts ...func(*store.Tx) error) error {
	for _, part := range parts {
		if err := t.DB.Write(ctx, t.ID(), part); err != nil {
			return err
		}
	}
	return nil
}
