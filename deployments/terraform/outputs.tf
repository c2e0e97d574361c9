output "first_key" {
  description = "The command that makes the first API key."
  value       = "kubectl --namespace ${var.namespace} exec deploy/muster-api -- /muster keys create --owner ann --name first --scopes read,write,export,admin"
}
