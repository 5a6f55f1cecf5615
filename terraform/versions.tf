terraform {
  required_version = ">= 1.7"

  # Where the state lies is told by state.azurerm.tfbackend, which ./init.sh writes.
  backend "azurerm" {}

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.40, < 6.0"
    }
    azuread = {
      source  = "hashicorp/azuread"
      version = ">= 3.0, < 4.0"
    }
    tls = {
      source  = "hashicorp/tls"
      version = ">= 4.0, < 5.0"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true

  # Only what is used here: 4.x would register some sixty services, 5.x none.
  resource_provider_registrations = "none"
  resource_providers_to_register  = ["Microsoft.Consumption", "Microsoft.Storage"]

  features {
    storage {
      # Reading it needs a role on the data, which the owner of a subscription doesn't have.
      data_plane_available = false
    }
  }
}
