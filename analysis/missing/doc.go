// Package missing describes what is missing in a trial's data and shows what it
// may do to the estimates: tables of what is missing by arm and school, a model
// of who drops out, multiple imputation for pupils in schools, pooling, shifts of
// the imputed values (delta, reference-based), weights, and bounds that assume
// nothing.
//
// The imputation model (gibbs.go) is a joint normal model of all incomplete
// variables with school effects in every one of them (Schafer and Yucel, JCGS
// 11(2), 2002; Carpenter and Kenward, Multiple Imputation and its Application,
// 2013), so that slopes within and between schools may differ. Binary variables
// are the sign of a latent normal one.
//
// Complete cases come first: with only the outcome missing, a mixed model of the
// observed pupils already allows for what the model's covariates explain of the
// loss. Imputation pays where covariates are missing too.
package missing
