variable "kubeconfig" {
  description = "The file that says how to reach the cluster."
  type        = string
  default     = "~/.kube/config"
}

variable "kube_context" {
  description = "Which of its contexts; null: the current one."
  type        = string
  default     = null
}

variable "namespace" {
  description = "Where Muster is installed. It is made."
  type        = string
  default     = "muster"
}

variable "chart" {
  description = "The chart: a folder, an archive or an oci:// address."
  type        = string
  default     = "../chart/muster"
}

variable "image_digest" {
  description = "sha256:… of the image; empty: the tag of the chart's version."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(sha256:[0-9a-f]{64})?$", var.image_digest))
    error_message = "Want sha256: and 64 hexadecimal digits, or nothing."
  }
}

variable "database_url" {
  description = "mysql://user:password@host:3306/db or mariadb://…"
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^(mysql|mariadb|vitess)://", var.database_url))
    error_message = "Want mysql://user:password@host:3306/db or mariadb://…"
  }
}

variable "redis_url" {
  description = "redis://, rediss:// or redis-sentinel://…"
  type        = string
  sensitive   = true
}

variable "admin_password" {
  description = "Of the user admin, who sees /monitoring and /metrics."
  type        = string
  sensitive   = true

  validation {
    condition     = length(var.admin_password) >= 16
    error_message = "Want 16 characters or more."
  }
}

variable "files_url" {
  description = "s3://key:secret@bucket/prefix?region=… for files of imports and exports; empty: none."
  type        = string
  default     = ""
  sensitive   = true
}

variable "host" {
  description = "The name under which an ingress publishes the API; empty: no ingress."
  type        = string
  default     = ""
}

variable "ingress_class" {
  description = "The class of that ingress."
  type        = string
  default     = "nginx"
}

variable "workers" {
  description = "How many workers run."
  type        = number
  default     = 3

  validation {
    condition     = var.workers >= 1
    error_message = "Without a worker no job ends."
  }
}

variable "prometheus_operator" {
  description = "Whether the cluster has the Prometheus operator: monitors and alerts are made for it."
  type        = bool
  default     = false
}
