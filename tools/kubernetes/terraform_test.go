package kubernetes_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	apps "k8s.io/api/apps/v1"
	networking "k8s.io/api/networking/v1"
)

// terraform returns all blocks of the example, which Terraform reads as one.
func terraform(t *testing.T) (blocks hclsyntax.Blocks) {
	t.Helper()
	files, err := filepath.Glob(deployments + "terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no Terraform: %v", err)
	}
	parser := hclparse.NewParser()
	for _, name := range files {
		f, problems := parser.ParseHCLFile(name)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		if formatted := hclwrite.Format(f.Bytes); string(formatted) != string(f.Bytes) {
			t.Errorf("%s is not formatted as by terraform fmt:\n%s", name, formatted)
		}
		blocks = append(blocks, f.Body.(*hclsyntax.Body).Blocks...)
	}
	return blocks
}

// What is referred to is declared, what is declared is referred to, and secrets are in no plan.
func TestTerraformVariables(t *testing.T) {
	t.Parallel()
	declared, used := map[string]bool{}, map[string]bool{}
	for _, b := range terraform(t) {
		switch b.Type {
		case "variable":
			name := b.Labels[0]
			declared["var."+name] = true
			for _, want := range []string{"description", "type"} {
				if b.Body.Attributes[want] == nil {
					t.Errorf("variable %s has no %s", name, want)
				}
			}
			sensitive := b.Body.Attributes["sensitive"] != nil
			if secret := regexp.MustCompile(`_url$|password|token|secret`).MatchString(name); secret != sensitive {
				t.Errorf("variable %s: sensitive is %t", name, sensitive)
			}
		case "locals":
			for name := range b.Body.Attributes {
				declared["local."+name] = true
			}
		case "resource":
			declared[b.Labels[0]+"."+b.Labels[1]] = true
		}
		_ = hclsyntax.VisitAll(b.Body, func(n hclsyntax.Node) hcl.Diagnostics {
			if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok && len(e.Traversal) > 1 && b.Type != "variable" {
				used[e.Traversal.RootName()+"."+e.Traversal[1].(hcl.TraverseAttr).Name] = true
			}
			return nil
		})
	}
	for name := range used {
		if !declared[name] {
			t.Errorf("%s is used and not declared", name)
		}
	}
	for name := range declared {
		if !used[name] && !strings.HasPrefix(name, "helm_release") {
			t.Errorf("%s is declared and not used", name)
		}
	}
	if len(used) < 10 {
		t.Errorf("only %d references were checked", len(used))
	}
}

// terraformValues returns the values that the example gives to the chart, for given variables.
func terraformValues(t *testing.T, variables, locals map[string]cty.Value) values {
	t.Helper()
	for _, b := range terraform(t) {
		if b.Type != "resource" || b.Labels[0] != "helm_release" {
			continue
		}
		list := b.Body.Attributes["values"].Expr.(*hclsyntax.TupleConsExpr)
		call := list.Exprs[0].(*hclsyntax.FunctionCallExpr)
		if call.Name != "yamlencode" {
			t.Fatalf("values by %s", call.Name)
		}
		metadata := cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("muster"), "resource_version": cty.StringVal("123")})})
		v, problems := call.Args[0].Value(&hcl.EvalContext{Variables: map[string]cty.Value{
			"var": cty.ObjectVal(variables), "local": cty.ObjectVal(locals),
			"kubernetes_secret_v1": cty.ObjectVal(map[string]cty.Value{"muster": cty.ObjectVal(map[string]cty.Value{"metadata": metadata})}),
		}})
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		text, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			t.Fatal(err)
		}
		var given values
		if err := json.Unmarshal(text, &given); err != nil {
			t.Fatal(err)
		}
		return given
	}
	t.Fatal("no helm_release")
	return nil
}

// The schema takes every value that the example gives, and each does something.
func TestTerraformValues(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	for host, rules := range map[string]int{"": 0, "muster.example.com": 1} {
		given := terraformValues(t, map[string]cty.Value{
			"image_digest": cty.StringVal(digest), "host": cty.StringVal(host), "ingress_class": cty.StringVal("nginx"), "workers": cty.NumberIntVal(5),
			"prometheus_operator": cty.BoolVal(host != ""),
		}, map[string]cty.Value{"has_files": cty.BoolVal(host != ""), "secrets_checksum": cty.StringVal("123")})
		objects := decodeAll(t, mustRender(t, "muster", given).all())
		worker := all[*apps.Deployment](objects)["muster-worker"]
		if worker == nil || *worker.Spec.Replicas != 5 || !strings.HasSuffix(worker.Spec.Template.Spec.Containers[0].Image, "@"+digest) ||
			worker.Spec.Template.Annotations["checksum/secrets"] != "123" {
			t.Errorf("the worker is %+v", worker)
		}
		if n := len(all[*networking.Ingress](objects)); n != rules {
			t.Errorf("%d ingresses for the host %q", n, host)
		}
		if secrets := secretsOf(&worker.Spec.Template.Spec); slices.Contains(secrets, "") {
			t.Errorf("secrets %q", secrets)
		}
		given["worker"].(values)["replica"] = 5
		if _, err := render(t, "muster", given); err == nil {
			t.Error("a value that there is not is taken")
		}
	}
}

// The Secret has each key that the chart looks for.
func TestTerraformSecretHasTheKeys(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, b := range terraform(t) {
		if b.Type == "resource" && b.Labels[0] == "kubernetes_secret_v1" {
			_ = hclsyntax.VisitAll(b.Body.Attributes["data"].Expr.(hclsyntax.Node), func(n hclsyntax.Node) hcl.Diagnostics {
				if o, ok := n.(*hclsyntax.ObjectConsExpr); ok {
					for _, item := range o.Items {
						key, _ := item.KeyExpr.Value(nil)
						keys[key.AsString()] = true
					}
				}
				return nil
			})
		}
	}
	given := terraformValues(t, map[string]cty.Value{
		"image_digest": cty.StringVal(""), "host": cty.StringVal(""), "ingress_class": cty.StringVal(""), "workers": cty.NumberIntVal(1),
		"prometheus_operator": cty.False,
	}, map[string]cty.Value{"has_files": cty.True, "secrets_checksum": cty.StringVal("123")})
	for name, pod := range pods(decodeAll(t, mustRender(t, "muster", given).all())) {
		for _, v := range pod.Spec.Volumes {
			if v.Projected == nil {
				continue
			}
			for _, source := range v.Projected.Sources {
				if source.Secret.Name != "muster" || !keys[source.Secret.Items[0].Key] {
					t.Errorf("%s reads %s of %s, which Terraform does not make", name, source.Secret.Items[0].Key, source.Secret.Name)
				}
			}
		}
	}
}
