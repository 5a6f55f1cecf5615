# The first four are written to terraform.tfvars by ./init.sh, and alert_email where it can be known.

variable "subscription_id" {
  description = "The Azure subscription that pays (az account show --query id)."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id must be like 01234567-89ab-cdef-0123-456789abcdef; see: az account show --query id"
  }
}

variable "resource_group_name" {
  description = "The resource group made for the backups."
  type        = string

  validation {
    condition     = can(regex("^[-A-Za-z0-9_.()]{0,83}[-A-Za-z0-9_()]$", var.resource_group_name))
    error_message = "resource_group_name must have 1 to 84 letters, digits or - _ . ( ) and not end with a full stop, such as home-energy."
  }
}

variable "location" {
  description = "The Azure region where the backups are kept."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location must be the short name of an Azure region, such as westeurope; see: az account list-locations --output table"
  }
}

variable "storage_account_name" {
  description = "The storage account made for the backups; its name is unique in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,19}$", var.storage_account_name))
    error_message = "storage_account_name must have 3 to 19 lower case letters or digits, such as smithhomeenergy."
  }
}

variable "alert_email" {
  description = "Who is told when the backups cost more than monthly_budget."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "alert_email must be one e-mail address, such as me@example.org."
  }
}

variable "monthly_budget" {
  description = "What a month may cost before alert_email is told, in the currency of the subscription. Usual is less than 1."
  type        = number
  default     = 5

  validation {
    condition     = var.monthly_budget >= 1
    error_message = "monthly_budget must be at least 1."
  }
}

variable "keep_months" {
  description = "For how many months each backup stays whole; it is deleted in the second month after."
  type        = number
  default     = 13

  validation {
    condition     = var.keep_months >= 2 && var.keep_months <= 120 && floor(var.keep_months) == var.keep_months
    error_message = "keep_months must be a whole number from 2 to 120: nothing can be deleted in the first 30 days."
  }
}
