resource "kubernetes_namespace_v1" "muster" {
  metadata {
    name = var.namespace
    labels = {
      "pod-security.kubernetes.io/enforce" = "restricted"
    }
  }
}

# Terraform's state holds these, too: keep it encrypted. With External Secrets or the like, leave this resource out and
# give the name of the Secret that they make.
resource "kubernetes_secret_v1" "muster" {
  metadata {
    name      = "muster"
    namespace = kubernetes_namespace_v1.muster.metadata[0].name
  }

  data = merge({
    "database-url"   = var.database_url
    "redis-url"      = var.redis_url
    "admin-password" = var.admin_password
  }, local.has_files ? { "files-url" = var.files_url } : {})
}

locals {
  # Whether there is a URL is no secret.
  has_files = nonsensitive(var.files_url != "")
}

resource "helm_release" "muster" {
  name      = "muster"
  namespace = kubernetes_namespace_v1.muster.metadata[0].name
  chart     = var.chart

  # The migration runs before pods are replaced, and large tables take their time.
  timeout = 1800
  atomic  = true

  values = [yamlencode({
    image = {
      digest = var.image_digest
    }
    secrets = {
      existingSecret = kubernetes_secret_v1.muster.metadata[0].name
      files = {
        key = local.has_files ? "files-url" : ""
      }
    }
    api = {
      # Processes read secrets when they start: another Secret starts them anew.
      podAnnotations = {
        "checksum/secrets" = local.secrets_checksum
      }
    }
    worker = {
      replicas = var.workers
      podAnnotations = {
        "checksum/secrets" = local.secrets_checksum
      }
    }
    ingress = {
      enabled   = var.host != ""
      className = var.ingress_class
      hosts     = var.host == "" ? [] : [{ host = var.host }]
    }
    metrics = {
      serviceMonitor = {
        enabled = var.prometheus_operator
      }
      prometheusRule = {
        enabled = var.prometheus_operator
      }
    }
  })]
}

locals {
  # The version of the Secret, which says nothing of what is in it.
  secrets_checksum = kubernetes_secret_v1.muster.metadata[0].resource_version
}
