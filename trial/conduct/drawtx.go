//go:build !brokendraw

package conduct

import (
	"context"

	"evenhand/trial/store"
)

// inDrawTransaction runs the parts of the draw in one transaction. (The build
// tag brokendraw swaps this file for one with two transactions, on which the
// test that kills the program must fail.)
func (t *Trial) inDrawTransaction(ctx context.Context, parts ...func(*store.Tx) error) error {
	return t.DB.Write(ctx, t.ID(), func(tx *store.Tx) error {
		for _, part := range parts {
			if err := part(tx); err != nil {
				return err
			}
		}
		return nil
	})
}
