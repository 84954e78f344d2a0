// Command rego-cases plans OPA's own conformance cases: the folder of its test data in, one case a line as JSON out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"
)

// A target that evaluates nothing and keeps the plan that it is given.
type planTarget struct{ plan *ir.Policy }

func (t *planTarget) IsTarget(name string) bool { return name == "plan-only" }

func (t *planTarget) PrepareForEval(_ context.Context, plan *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	t.plan = plan
	return t, nil
}

func (t *planTarget) Eval(context.Context, *rego.EvalContext, ast.Value) (ast.Value, error) {
	return nil, nil
}

type line struct {
	Note string     `json:"note"`
	Plan *ir.Policy `json:"plan,omitempty"`
	// Why there is no plan.
	Error string          `json:"error,omitempty"`
	Data  *map[string]any `json:"data,omitempty"`
	Input *any            `json:"input,omitempty"`
	// An input that JSON cannot say, by its types.
	InputTerm           any               `json:"inputTerm,omitempty"`
	WantDefined         *bool             `json:"wantDefined,omitempty"`
	WantResult          *[]map[string]any `json:"wantResult,omitempty"`
	WantErrorCode       *string           `json:"wantErrorCode,omitempty"`
	WantError           *string           `json:"wantError,omitempty"`
	StrictError         bool              `json:"strictError,omitempty"`
	SortBindings        bool              `json:"sortBindings,omitempty"`
	IgnoreGeneratedVars bool              `json:"ignoreGeneratedVars,omitempty"`
}

// Composite values as pairs of a type and members, at any depth.
func typed(value ast.Value) any {
	members := []any{}
	add := func(term *ast.Term) { members = append(members, typed(term.Value)) }
	switch value := value.(type) {
	case *ast.Array:
		value.Foreach(add)
		return []any{"array", members}
	case ast.Set:
		value.Foreach(add)
		return []any{"set", members}
	case ast.Object:
		value.Foreach(func(key, term *ast.Term) { members = append(members, []any{typed(key.Value), typed(term.Value)}) })
		return []any{"object", members}
	}
	plain, err := ast.JSON(value)
	if err != nil {
		log.Fatal(err)
	}
	return []any{"plain", plain}
}

func planned(version ast.RegoVersion, each cases.TestCase) (plan *ir.Policy, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	capabilities := ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(each.ExperimentalKeywords))
	options := []func(*rego.Rego){rego.Query(each.Query), rego.SetRegoVersion(version), rego.Capabilities(capabilities), rego.Target("plan-only")}
	for index, module := range each.Modules {
		options = append(options, rego.Module(fmt.Sprintf("module-%d.rego", index), module))
	}
	target.plan = nil
	_, err = rego.New(options...).PrepareForEval(context.Background())
	return target.plan, err
}

var target = &planTarget{}

func main() {
	rego.RegisterPlugin("plan-only", target)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for name, version := range map[string]ast.RegoVersion{"v0": ast.RegoV0, "v1": ast.RegoV1} {
		for _, each := range cases.MustLoad(filepath.Join(os.Args[1], name)).Sorted().Cases {
			plan, err := planned(version, each)
			line := line{Note: name + "/" + each.Note, Plan: plan, Data: each.Data, Input: each.Input, WantDefined: each.WantDefined,
				WantResult: each.WantResult, WantErrorCode: each.WantErrorCode, WantError: each.WantError, StrictError: each.StrictError,
				SortBindings: each.SortBindings, IgnoreGeneratedVars: each.IgnoreGeneratedVars}
			if err != nil {
				line.Error = err.Error()
			}
			if each.InputTerm != nil {
				line.InputTerm = typed(ast.MustParseTerm(*each.InputTerm).Value)
			}
			text, err := json.Marshal(line)
			if err != nil {
				log.Fatal(err)
			}
			out.Write(append(text, '\n'))
		}
	}
}
